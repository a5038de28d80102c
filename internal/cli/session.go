package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

const whichSession = "the NAME of a VM and a SESSION"

func (a *App) sessionCommand() *cobra.Command {
	return a.group("session", "Manage long-lived commands that survive disconnects",
		"Manage sessions: commands in a VM that keep running when you disconnect, detach or upgrade banger. A session ends with\n"+
			"its VM. The VM keeps the latest output of each session.\n\n"+
			"SESSION is the name of a session, or a unique prefix of its ID.",
		a.sessionStartCommand(), a.sessionListCommand(), a.sessionShowCommand(), a.sessionLogsCommand(), a.sessionAttachCommand(),
		a.sessionSendCommand(), a.sessionStopCommand(), a.sessionKillCommand(), a.sessionWaitCommand(), a.sessionRemoveCommand(),
	)
}

// sessionNames completes the name of a VM, and then of a session in it, in any
// of these states (none: in all).
func (a *App) sessionNames(states ...string) completer {
	vms := a.vmNames(1, api.VMRunning, api.VMPaused)
	return func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) == 0 {
			return vms(cmd, given, prefix)
		}
		return a.names(2, func(ctx context.Context, c *client.Client) ([]string, error) {
			all, err := c.ListSessions(ctx, given[0])
			var names []string
			for _, s := range all {
				if len(states) == 0 || s.State == states[0] {
					names = append(names, cobra.CompletionWithDesc(s.Name, s.State))
				}
			}
			return names, err
		})(cmd, given, prefix)
	}
}

func sessionTint(s api.Session) string {
	switch s.State {
	case api.SessionRunning:
		return "32"
	case api.SessionFailed, api.SessionLost:
		return "31"
	case api.SessionExited:
		return "2"
	default:
		return "33"
	}
}

func sessionView(now time.Time) view[api.Session] {
	size := func(n int64) string { return bytesText(n) }
	return view[api.Session]{
		name: func(s api.Session) string { return s.Name },
		columns: []column[api.Session]{
			{head: "NAME", cell: func(s api.Session) string { return s.Name }},
			{head: "ID", cell: func(s api.Session) string { return idText(s.ID) }},
			{head: "STATE", cell: stateOfSession, tint: sessionTint},
			{head: "ATTENTION", cell: func(s api.Session) string { return attentionText(now, s.Attention) }, tint: func(s api.Session) string { return attentionTint(s.Attention) }, optional: true},
			{head: "MODE", cell: func(s api.Session) string { return s.Mode }},
			{head: "STDOUT", cell: func(s api.Session) string { return size(s.StdoutBytes) }},
			{head: "STDERR", cell: func(s api.Session) string { return size(s.StderrBytes) }},
			{head: "AGE", cell: func(s api.Session) string { return ageText(now, s.CreatedAt) }},
			{head: "COMMAND", cell: func(s api.Session) string { return plain.Columns(strings.Join(s.Command, " "), 60) }},
		},
		fields: sessionFields(now, size),
	}
}

func sessionFields(now time.Time, size func(int64) string) []column[api.Session] {
	dropped := func(n int64) string {
		if n == 0 {
			return ""
		}
		return " (the oldest " + size(n) + " were discarded)"
	}
	return []column[api.Session]{
		{head: "name", cell: func(s api.Session) string { return s.Name }},
		{head: "id", cell: func(s api.Session) string { return s.ID }},
		{head: "vm", cell: func(s api.Session) string { return s.VM }},
		{head: "state", cell: stateOfSession, tint: sessionTint},
		{head: "attention", cell: func(s api.Session) string { return attentionFull(now, s.Attention) }},
		{head: "last error", cell: func(s api.Session) string { return s.LastError }},
		{head: "mode", cell: func(s api.Session) string { return s.Mode }},
		{head: "command", cell: func(s api.Session) string { return strings.Join(s.Command, " ") }},
		{head: "directory", cell: func(s api.Session) string { return s.Dir }},
		{head: "user", cell: func(s api.Session) string { return s.User }},
		{head: "stdin", cell: func(s api.Session) string { return size(s.StdinBytes) }},
		{head: "stdout", cell: func(s api.Session) string { return size(s.StdoutBytes) + dropped(s.StdoutDropped) }},
		{head: "stderr", cell: func(s api.Session) string { return size(s.StderrBytes) + dropped(s.StderrDropped) }},
		{head: "attached", cell: attachedText},
		{head: "created", cell: func(s api.Session) string { return timeText(&s.CreatedAt) }},
		{head: "started", cell: func(s api.Session) string { return timeText(s.StartedAt) }},
		{head: "ended", cell: func(s api.Session) string { return timeText(s.EndedAt) }},
	}
}

func attachedText(s api.Session) string {
	var parts []string
	if s.Writer {
		parts = append(parts, "a writer")
	}
	if s.Readers > 0 {
		parts = append(parts, fault.Count(s.Readers, "reader"))
	}
	return strings.Join(parts, " and ")
}

func stateOfSession(s api.Session) string {
	switch {
	case s.Signal != "":
		return s.State + " (SIG" + s.Signal + ")"
	case s.ExitCode != nil:
		return s.State + " (" + strconv.Itoa(*s.ExitCode) + ")"
	default:
		return s.State
	}
}

func (a *App) sessionListCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "list NAME", Aliases: []string{"ls"}, Short: "List the sessions of a VM",
		Example: "  banger vm session list box\n  banger vm session list box -o json",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			all, err := c.ListSessions(cmd.Context(), given[0])
			if err != nil {
				return err
			}
			return sessionView(time.Now()).list(a, *f, all)
		},
	}
	f = listFormatFlag(cmd)
	return cmd
}

// sessionVerb is a verb on one session, whose answer is that session.
func (a *App) sessionVerb(use, short, example string, states []string, show func(f format, s api.Session) error,
	do func(ctx context.Context, c *client.Client, vm, name string) (api.Session, error),
) *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: args(2, 2, whichSession), ValidArgsFunction: a.sessionNames(states...),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			sess, err := do(cmd.Context(), c, given[0], given[1])
			if err != nil {
				return err
			}
			return show(*f, sess)
		},
	}
	f = formatFlag(cmd)
	return cmd
}

// did prints "DID NAME", or the session in another format.
func (a *App) did(did string) func(format, api.Session) error {
	return func(f format, s api.Session) error {
		if f == formatTable {
			return a.print(did + " " + s.Name + "\n")
		}
		return sessionView(time.Now()).show(a, f, s)
	}
}

func (a *App) sessionShowCommand() *cobra.Command {
	return a.sessionVerb("show NAME SESSION", "Show details of a session",
		"  banger vm session show box agent\n  banger vm session show box agent -o json", nil,
		func(f format, s api.Session) error { return sessionView(time.Now()).show(a, f, s) },
		func(ctx context.Context, c *client.Client, vm, name string) (api.Session, error) {
			return c.GetSession(ctx, vm, name)
		})
}
