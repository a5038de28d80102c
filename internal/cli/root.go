package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/buildinfo"
)

// The headings of the commands at the top level.
const (
	groupCommon = "common"
	groupManage = "manage"
	groupTools  = "tools"
)

// annotationLong is the annotation of a command at the top level that is a vm
// verb by a short name; its value is the verb.
const annotationLong = "long"

func (a *App) rootCommand() *cobra.Command {
	root := a.group("banger", "Run virtual machines on your own host, as easily as containers",
		"Run virtual machines on your own host, as easily as containers.\n\n"+
			"A VM boots from any OCI image, runs without root, and has its own kernel.",
		a.vmCommand(), a.imageCommand(), a.kernelCommand(), a.templateCommand(), a.egressCommand(), a.systemCommand(), a.eventsCommand(), a.daemonCommand(), a.configCommand(),
		a.doctorCommand(), a.versionCommand(), a.mcpCommand(), a.webCommand(), a.tuiCommand(), a.sshConfigCommand(), a.manCommand(),
	)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(flagError)
	a.progressFlag(root)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.AddGroup(
		&cobra.Group{ID: groupCommon, Title: "Common commands"},
		&cobra.Group{ID: groupManage, Title: "Management commands"},
		&cobra.Group{ID: groupTools, Title: "Setup and tools"},
	)
	for _, c := range root.Commands() {
		c.GroupID = groupTools
	}
	inGroup(root, groupManage, "vm", "image", "kernel", "template", "egress", "system", "daemon", "config")
	for _, short := range []*cobra.Command{
		a.vmRunCommand(), a.vmExecCommand(), a.vmSSHCommand(), a.vmListCommand(), a.vmDeleteCommand(), a.vmLogsCommand(),
		a.vmPortsCommand(), a.vmWaitCommand(),
	} {
		addShortForm(root, short)
	}
	root.Version = buildinfo.Current().Version
	root.SetVersionTemplate("banger {{.Version}}\n")
	root.SetCompletionCommandGroupID(groupTools)
	root.Example = `  banger doctor
  banger run --rm debian uname -a
  banger vm create box
  banger ssh box`
	a.completeRoot(root)
	return root
}

// inGroup puts subcommands of cmd under a heading.
func inGroup(cmd *cobra.Command, group string, names ...string) {
	for _, name := range names {
		subcommand(cmd, name).GroupID = group
	}
}

// addShortForm adds the vm verb c to the top level, by its short name.
func addShortForm(root, c *cobra.Command) {
	name, rest, _ := strings.Cut(c.Use, " ")
	short := name
	if len(c.Aliases) > 0 {
		short = c.Aliases[0]
		c.Aliases = nil
	}
	c.Use = strings.TrimSpace(short + " " + rest)
	c.GroupID = groupCommon
	c.Example = strings.ReplaceAll(c.Example, "banger vm "+name, "banger "+short)
	c.Annotations = map[string]string{annotationLong: name, annotationShort: short}
	vm, _, err := root.Find([]string{"vm", name})
	if err == nil {
		vm.Annotations = map[string]string{annotationShort: short}
	}
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
	vm := a.group("vm", "Manage virtual machines",
		"Manage virtual machines.\n\nNAME is the name of a VM, or a unique prefix of its ID.",
		a.vmCreateCommand(), a.vmRunCommand(), a.vmListCommand(), a.vmShowCommand(),
		a.vmStartCommand(), a.vmStopCommand(), a.vmRestartCommand(), a.vmPauseCommand(), a.vmSuspendCommand(), a.vmResumeCommand(),
		a.vmKillCommand(), a.vmDeleteCommand(), a.vmSetCommand(), a.vmRenameCommand(), a.vmResetCommand(), a.vmCommitCommand(),
		a.vmSnapshotCommand(), a.vmRollbackCommand(), a.vmForkCommand(),
		a.vmProtectCommand(), a.vmUnprotectCommand(), a.vmWaitCommand(),
		a.vmExecCommand(), a.vmSSHCommand(), a.vmCopyCommand(), a.vmLogsCommand(),
		a.vmPortsCommand(), a.vmForwardCommand(), a.vmEgressCommand(), a.vmStatsCommand(), a.vmTopCommand(),
		a.sessionCommand(), a.vmWorkspaceCommand(), a.vmHealthCommand(), a.vmPingCommand(), a.vmProxyCommand(),
	)
	vm.AddGroup(
		&cobra.Group{ID: "life", Title: "Life cycle"}, &cobra.Group{ID: "use", Title: "Commands and files"},
		&cobra.Group{ID: "network", Title: "Network"}, &cobra.Group{ID: "state", Title: "State"},
	)
	inGroup(vm, "life", "create", "run", "start", "stop", "restart", "pause", "suspend", "resume", "kill", "delete", "set", "rename", "reset", "snapshot", "rollback", "fork", "commit", "protect", "unprotect")
	inGroup(vm, "use", "exec", "ssh", "cp", "session", "workspace")
	inGroup(vm, "network", "ports", "forward", "egress")
	inGroup(vm, "state", "list", "show", "wait", "logs", "stats", "top", "health", "ping")
	return vm
}
