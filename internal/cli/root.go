package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/buildinfo"
)

const (
	groupVMs     = "vms"
	groupCatalog = "catalog"
	groupHost    = "host"
)

func (a *App) rootCommand() *cobra.Command {
	root := a.group("banger", "Virtual machines on your own host, as easily as containers",
		"banger runs any OCI image as a virtual machine of its own, without root.",
		a.vmCommand(), a.imageCommand(), a.kernelCommand(), a.daemonCommand(), a.configCommand(),
		a.doctorCommand(), a.versionCommand(), a.mcpCommand(), a.sshConfigCommand(), a.manCommand(),
	)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(flagError)
	a.progressFlag(root)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.AddGroup(
		&cobra.Group{ID: groupVMs, Title: "Virtual machines:"},
		&cobra.Group{ID: groupCatalog, Title: "Images and kernels:"},
		&cobra.Group{ID: groupHost, Title: "This host:"},
	)
	for _, short := range []*cobra.Command{
		a.vmRunCommand(), a.vmExecCommand(), a.vmSSHCommand(), a.vmListCommand(), a.vmDeleteCommand(), a.vmLogsCommand(),
		a.vmPortsCommand(),
	} {
		a.addShortForm(root, short)
	}
	for _, c := range root.Commands() {
		switch c.Name() {
		case "image", "kernel":
			c.GroupID = groupCatalog
		case "vm", "run", "exec", "ssh", "ls", "rm", "logs", "ports":
			c.GroupID = groupVMs
		default:
			c.GroupID = groupHost
		}
	}
	root.Version = buildinfo.Current().Version
	root.SetVersionTemplate("banger {{.Version}}\n")
	root.SetHelpCommandGroupID(groupHost)
	root.SetCompletionCommandGroupID(groupHost)
	root.Example = `  banger run --rm debian uname -a               run a command in a new VM
  banger vm create --name box                   make a VM that stays
  banger ssh box                                log in
  banger doctor                                 see what this host can do`
	a.completeRoot(root)
	return root
}

// addShortForm adds the vm verb c to the top level, by its short name.
func (a *App) addShortForm(root, c *cobra.Command) {
	name, rest, _ := strings.Cut(c.Use, " ")
	if len(c.Aliases) > 0 {
		c.Use = strings.TrimSpace(c.Aliases[0] + " " + rest)
		c.Aliases = nil
	}
	c.Short += " (short for `banger vm " + name + "`)"
	root.AddCommand(c)
}

// group is a command that only has subcommands.
func (a *App) group(use, short, long string, subcommands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(subcommands...)
	return cmd
}

// args returns a check of how many arguments a verb takes; max < 0: any number.
// what names them, as in the verb's usage line.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return usagef(cmd, "%s needs %s", cmd.CommandPath(), what)
		case most == 0 && len(given) > 0:
			return usagef(cmd, "%s takes no arguments, but got %q", cmd.CommandPath(), given[0])
		case most >= 0 && len(given) > most:
			return usagef(cmd, "%s takes only %s, but also got %q", cmd.CommandPath(), what, given[most])
		default:
			return nil
		}
	}
}

func (a *App) vmCommand() *cobra.Command {
	return a.group("vm", "Create, use and remove virtual machines",
		"NAME is a VM's name, or a unique prefix of its id.",
		a.vmCreateCommand(), a.vmRunCommand(), a.vmListCommand(), a.vmShowCommand(),
		a.vmStartCommand(), a.vmStopCommand(), a.vmRestartCommand(), a.vmPauseCommand(), a.vmResumeCommand(),
		a.vmKillCommand(), a.vmDeleteCommand(), a.vmSetCommand(), a.vmRenameCommand(), a.vmResetCommand(),
		a.vmProtectCommand(), a.vmUnprotectCommand(), a.vmWaitCommand(),
		a.vmExecCommand(), a.vmSSHCommand(), a.vmCopyCommand(), a.vmLogsCommand(),
		a.vmPortsCommand(), a.vmForwardCommand(), a.vmEgressCommand(), a.vmStatsCommand(), a.vmTopCommand(),
		a.sessionCommand(), a.vmWorkspaceCommand(), a.vmHealthCommand(), a.vmPingCommand(), a.vmProxyCommand(),
	)
}
