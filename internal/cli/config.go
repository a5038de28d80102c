package cli

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/statedir"
)

func (a *App) configCommand() *cobra.Command {
	return a.group("config", "Show the configuration",
		"Show the configuration: config.toml, and the BANGER_ environment variables that override it. Both are optional.",
		a.configShowCommand(), a.configPathCommand())
}

func (a *App) configShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "show", Short: "Print each setting and where it comes from",
		Long: "Print each setting and where it comes from: the default, config.toml or a BANGER_ environment variable. The settings\n" +
			"apply to commands run in this shell, even if the daemon was started with different ones.",
		Example: "  banger config show\n  banger config show -o json",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, _ []string) error {
			cfg, from, err := loadConfig()
			if err != nil {
				return err
			}
			return a.showConfig(*f, cfg, from)
		},
	}
	f = formatFlag(cmd)
	return cmd
}

// configAnswer is what -o json shows.
type configAnswer struct {
	config.Config
	Sources config.Sources `json:"sources"`
}

// setting is a row of the table.
type setting struct{ name, value, env, source string }

func (a *App) showConfig(f format, cfg config.Config, from config.Sources) error {
	if f == formatJSON || f == formatYAML {
		return a.printValue(f, configAnswer{Config: cfg, Sources: from})
	}
	var rows []setting
	for _, key := range config.Keys() {
		rows = append(rows, setting{key.Name, key.TOML(cfg), key.Env, from[key.Name]})
	}
	rows = append(rows, setting{"files", placedText(cfg), "", from["files"]}, setting{"catalogs", catalogsText(cfg), "", from["catalogs"]},
		setting{"registry", registriesText(cfg), "", from["registry"]},
		setting{"tui.keys", tuiKeysText(cfg), "", from["tui"]})
	for _, v := range config.Variables() {
		value, source := a.getenv(v.Name), config.FromDefault
		if value != "" {
			source = v.Name
		}
		rows = append(rows, setting{"-", strconv.Quote(value), v.Name, source})
	}
	return view[setting]{
		name: func(s setting) string { return cmp.Or(strings.TrimPrefix(s.name, "-"), s.env) },
		columns: []column[setting]{
			{head: "KEY", cell: func(s setting) string { return s.name }},
			{head: "VALUE", cell: func(s setting) string { return s.value }},
			{head: "VARIABLE", cell: func(s setting) string { return s.env }},
			{head: "SOURCE", cell: func(s setting) string { return s.source }},
		},
	}.list(a, f, rows)
}

// catalogsText says which catalogs there are besides the built-in one.
func catalogsText(c config.Config) string {
	all := make([]string, len(c.Catalogs))
	for i, one := range c.Catalogs {
		all[i] = one.URL
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

// registriesText says which registries have a table.
func registriesText(c config.Config) string {
	return cmp.Or(strings.Join(slices.Sorted(maps.Keys(c.Registries)), ", "), "none")
}

// placedText says what is copied into guests.
func placedText(c config.Config) string {
	var all []string
	for _, f := range c.Placed() {
		all = append(all, f.Host+" -> "+f.Guest)
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

func (a *App) configPathCommand() *cobra.Command {
	return &cobra.Command{
		Use: "path", Short: "Print the path of config.toml",
		Long:    "Print the path of config.toml, whether or not the file exists.",
		Example: "  banger config path\n  cat $(banger config path)",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, _ []string) error {
			dirs, err := statedir.FromEnv()
			if err != nil {
				return err
			}
			return a.print(dirs.ConfigFile() + "\n")
		},
	}
}
