package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// What is known of a workspace, as in api.Workspace.State.
const (
	workspaceClean   = "clean"
	workspaceChanged = "changed"
)

func (a *App) vmWorkspaceCommand() *cobra.Command {
	return a.group("workspace", "Copy a git working tree to a VM and export changes",
		"A workspace is a copy of a git work tree in a VM, uncommitted changes included. Your own repository is not mounted, and\n"+
			"not changed; what was done in the VM comes back as one patch, committed there or not.",
		a.workspacePrepareCommand(), a.workspaceExportCommand(), a.workspaceShowCommand(),
	)
}

func (a *App) workspacePrepareCommand() *cobra.Command {
	var req api.PrepareWorkspace
	var mode *optional[string]
	var f *format
	cmd := &cobra.Command{
		Use:   "prepare NAME [PATH]",
		Short: "Copy a git working tree to a running VM",
		Long: "Put the git work tree that PATH (default: the current directory) is in into a running VM: HEAD, the index, and all files\n" +
			"that git does not ignore, as they are. The VM's image needs no git for it. What is there already is replaced only if an\n" +
			"export has all work done in it (files that git ignores are not kept), or with --force.",
		Example: `  banger vm workspace prepare box
  banger vm workspace prepare box ~/src/project --mode full_copy --branch fix-it`,
		Args: args(1, 2, "the NAME of a VM, and a PATH"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(given) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return a.vmNames(1, vmRunning)(cmd, given, prefix)
		},
		RunE: func(cmd *cobra.Command, given []string) (err error) {
			if req.Path, err = absolutePath(append(given, ".")[1]); err != nil {
				return err
			}
			req.Mode = mode.or("")
			return a.workspacePrepare(cmd.Context(), given[0], req, *f)
		},
	}
	mode = workspaceModeFlag(cmd)
	cmd.Flags().StringVar(&req.To, "to", "", "`DIR` in the VM (default /root/repo)")
	cmd.Flags().StringVar(&req.Branch, "branch", "", "the `BRANCH` that HEAD is on in the VM (default: as here)")
	cmd.Flags().BoolVarP(&req.Force, "force", "f", false, "replace what is there, and discard unexported changes")
	f = formatFlag(cmd)
	return cmd
}

func workspaceModeFlag(cmd *cobra.Command) *optional[string] {
	f := optionalFlag(cmd, "mode", "MODE", "shallow (default): the present commit; full_copy: all refs, and submodules", func(text string) (string, error) {
		return oneOf("--mode", text, "shallow", "full_copy")
	})
	complete(cmd, "mode", "shallow", "full_copy")
	return f
}

func absolutePath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "find %s", path)
	}
	return abs, nil
}

func (a *App) workspacePrepare(ctx context.Context, name string, req api.PrepareWorkspace, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	w, err := a.prepareWorkspace(ctx, c, name, req)
	if err != nil {
		return err
	}
	if f != formatTable {
		return workspaceView().show(a, f, w)
	}
	return a.print(renderFields(w, preparedFields(), false) +
		"\nrun a command   banger exec " + w.VM + " -w " + shellWord(w.Path) + " -- COMMAND" +
		"\nexport changes  banger vm workspace export " + w.VM + " | " + gitApply(w.Source) + "\n")
}

// prepareWorkspace shows the stages, and says what was left out.
func (a *App) prepareWorkspace(ctx context.Context, c *client.Client, name string, req api.PrepareWorkspace) (api.Workspace, error) {
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := follow(ctx, c, show, func(ctx context.Context) (api.Operation, error) { return c.PrepareWorkspace(ctx, name, req) })
	if err != nil {
		return api.Workspace{}, err
	}
	w, err := result[api.Workspace](op)
	for _, note := range w.Notes {
		a.say("note: " + printable(note, " "))
	}
	return w, err
}

func (a *App) workspaceShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a VM's workspace, and whether it has unexported changes",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			w, err := c.GetWorkspace(cmd.Context(), given[0])
			if err != nil {
				return err
			}
			return workspaceView().show(a, *f, w)
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func workspaceView() view[api.Workspace] {
	return view[api.Workspace]{
		name: func(w api.Workspace) string { return w.Path },
		fields: append(preparedFields(),
			column[api.Workspace]{head: "work", cell: func(w api.Workspace) string { return workText(&w) }},
			column[api.Workspace]{head: "checked at", cell: func(w api.Workspace) string { return timeText(w.MeasuredAt) }},
			column[api.Workspace]{head: "prepared", cell: func(w api.Workspace) string { return timeText(&w.PreparedAt) }},
			column[api.Workspace]{head: "exported", cell: func(w api.Workspace) string { return timeText(w.ExportedAt) }},
		),
	}
}

func preparedFields() []column[api.Workspace] {
	return []column[api.Workspace]{
		{head: "path", cell: func(w api.Workspace) string { return w.VM + ":" + w.Path }},
		{head: "source", cell: func(w api.Workspace) string { return w.Source }},
		{head: "mode", cell: func(w api.Workspace) string { return w.Mode }},
		{head: "branch", cell: func(w api.Workspace) string { return w.Branch }},
		{head: "head_commit", cell: func(w api.Workspace) string { return w.HeadCommit }},
		{head: "base_tree", cell: func(w api.Workspace) string { return w.BaseTree }},
		{head: "sent", cell: func(w api.Workspace) string {
			if w.BytesSent == 0 {
				return ""
			}
			return plural(int(w.FilesSent), "file") + ", " + bytesText(w.BytesSent)
		}},
	}
}

// workText says in a few words what work a workspace has that no export has.
func workText(w *api.Workspace) string {
	if w == nil {
		return ""
	}
	if w.State != workspaceChanged {
		return w.State
	}
	var parts []string
	if w.Files > 0 {
		parts = append(parts, plural(w.Files, "file"))
	}
	branches := make([]string, 0, len(w.Elsewhere))
	for _, name := range w.Elsewhere {
		if strings.HasPrefix(name, "uncommitted ") { // of a linked work tree
			parts = append(parts, name)
		} else {
			branches = append(branches, name)
		}
	}
	if len(branches) > 0 {
		parts = append(parts, "commits on "+strings.Join(branches, ", "))
	}
	return strings.Join(parts, ", ")
}

// gitRoot returns the work tree that dir is in, if any.
func gitRoot(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}
