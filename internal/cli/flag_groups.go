package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bangervm/banger/internal/config"
)

// fewFlags is up to how many flags of a command need no headings.
const fewFlags = 6

// The headings of flags, in the order in which help shows them.
const (
	flagsPlain     = "Flags"
	flagsImage     = "Image and kernel"
	flagsResources = "Resources"
	flagsNetwork   = "Network"
	flagsGuest     = "Guest"
	flagsWorkspace = "Workspace"
	flagsOutput    = "Output"
	flagsGlobal    = "Global flags"
)

// flagTitles says under which heading a flag is. One that is not here is under
// flagsPlain.
func flagTitles() map[string]string {
	titles := make(map[string]string)
	for title, names := range map[string][]string{
		flagsImage:     {"image", "platform", "kernel", "init", "entrypoint", "restart-policy", "no-healthcheck"},
		flagsResources: {"vcpu", "memory", "disk", "driver", "nested", "console", "cold"},
		flagsNetwork:   {"network", "egress", "ports", "publish"},
		flagsGuest:     {"env", "unset-env", "interactive", "tty", "pipe", "user", "workdir", "require"},
		flagsWorkspace: {"mode", "no-workspace"},
		flagsOutput:    {"output", "output-format", "format", "quiet", "stat"},
		flagsGlobal:    {"help", "progress", "version"},
	} {
		for _, name := range names {
			titles[name] = title
		}
	}
	return titles
}

type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// flagGroups are the flags of cmd under their headings. Those of a command with
// few stay together, the global ones apart.
func flagGroups(cmd *cobra.Command) []flagGroup {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	cmd.Flags().Lookup("help").Usage = "show this help"
	if version := cmd.Flags().Lookup("version"); version != nil {
		version.Usage = "print the version of banger"
	}
	titles := flagTitles()
	own := 0
	sets := make(map[string]*pflag.FlagSet)
	visible := func(visit func(f *pflag.Flag, title string)) func(*pflag.Flag) {
		return func(f *pflag.Flag) {
			if !f.Hidden {
				visit(f, titles[f.Name])
			}
		}
	}
	cmd.LocalFlags().VisitAll(visible(func(_ *pflag.Flag, title string) {
		if title != flagsGlobal {
			own++
		}
	}))
	add := visible(func(f *pflag.Flag, title string) {
		if title == "" || own <= fewFlags && title != flagsGlobal {
			title = flagsPlain
		}
		if sets[title] == nil {
			sets[title] = pflag.NewFlagSet(title, pflag.ContinueOnError)
		}
		sets[title].AddFlag(f)
	})
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	var groups []flagGroup
	for _, title := range []string{
		flagsPlain, flagsImage, flagsResources, flagsNetwork, flagsGuest, flagsWorkspace, flagsOutput, flagsGlobal,
	} {
		if sets[title] != nil {
			groups = append(groups, flagGroup{title: title, flags: sets[title]})
		}
	}
	return groups
}

// fromConfig is the end of a flag's text whose default is a key of the
// configuration. unset says what an empty key means.
func fromConfig(key, unset string) string {
	for _, k := range config.Keys() {
		if k.Name != key {
			continue
		}
		if value := k.Value(config.Default()); value != "" {
			return " (default " + value + "; config: " + key + ")"
		}
	}
	return " (default: " + unset + "; config: " + key + ")"
}
