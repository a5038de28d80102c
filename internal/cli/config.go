package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/statedir"
)

func (a *App) configCommand() *cobra.Command {
	return a.group("config", "Show the configuration",
		"The configuration is config.toml, and BANGER_* variables over it. Neither need exist.",
		a.configShowCommand(), a.configPathCommand())
}

func (a *App) configShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "show", Short: "Print the configuration as it is in force here",
		Args: args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, _ []string) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			return configView().show(a, *f, cfg)
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func configView() view[config.Config] {
	size := func(s config.Size) string {
		text, err := s.MarshalText()
		if err != nil {
			return s.String()
		}
		return quote(string(text))
	}
	return view[config.Config]{
		name: func(config.Config) string { return "config" },
		fields: []column[config.Config]{
			{head: "driver", cell: func(c config.Config) string { return quote(c.Driver) }},
			{head: "qemu", cell: func(c config.Config) string { return quote(c.QEMU) }},
			{head: "log_level", cell: func(c config.Config) string { return quote(c.LogLevel.String()) }},
			{head: "vm.image", cell: func(c config.Config) string { return quote(c.VM.Image) }},
			{head: "vm.kernel", cell: func(c config.Config) string { return quote(c.VM.Kernel) }},
			{head: "vm.vcpu", cell: func(c config.Config) string { return strconv.Itoa(c.VM.VCPU) }},
			{head: "vm.memory", cell: func(c config.Config) string { return size(c.VM.Memory) }},
			{head: "vm.disk", cell: func(c config.Config) string { return size(c.VM.Disk) }},
			{head: "network.egress", cell: func(c config.Config) string { return quote(c.Network.Egress) }},
			{head: "network.dns", cell: func(c config.Config) string { return quote(strings.Join(c.Network.DNS, ",")) }},
			{head: "network.names_port", cell: func(c config.Config) string { return strconv.Itoa(c.Network.NamesPort) }},
			{head: "ssh_key", cell: func(c config.Config) string { return quote(c.SSHKey) }},
			{head: "detach_keys", cell: func(c config.Config) string { return quote(c.DetachKeys) }},
			{head: "files", cell: placedText},
		},
	}
}

// placedText says what is copied into guests.
func placedText(c config.Config) string {
	var all []string
	for _, f := range c.Placed() {
		all = append(all, f.Host+" -> "+f.Guest)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

func (a *App) configPathCommand() *cobra.Command {
	return &cobra.Command{
		Use: "path", Short: "Print the path of config.toml, which need not exist",
		Args: args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, _ []string) error {
			dirs, err := statedir.FromEnv()
			if err != nil {
				return err
			}
			return a.print(dirs.ConfigFile() + "\n")
		},
	}
}
