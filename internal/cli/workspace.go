package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

func (a *App) vmWorkspaceCommand() *cobra.Command {
	return a.group("workspace", "Copy a git work tree to a VM and export the changes",
		"Copy a git work tree to a VM, with uncommitted changes, and export the changes made there as one patch, committed or\n"+
			"not. Your repository is not mounted in the VM and is not changed.",
		a.workspacePrepareCommand(), a.workspaceExportCommand(), a.workspaceShowCommand(),
	)
}

func (a *App) workspacePrepareCommand() *cobra.Command {
	var req api.PrepareWorkspace
	var mode *optional[string]
	var f *format
	cmd := &cobra.Command{
		Use:   "prepare NAME [PATH]",
		Short: "Copy a git work tree to a running VM",
		Long: "Copy the git work tree at PATH (default: the current directory) to a running VM: HEAD, the index, and all files that\n" +
			"git does not ignore. The image needs no git.\n\n" +
			"An existing workspace is replaced only if all its changes are exported, or with --force. Ignored files in\n" +
			"it are lost.",
		Example: `  banger vm workspace prepare box
  banger vm workspace prepare box ~/src/project --mode full_copy --branch fix-it`,
		Args: args(1, 2, "the NAME of a VM and a PATH"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(given) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return a.vmNames(1, api.VMRunning)(cmd, given, prefix)
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
	cmd.Flags().StringVar(&req.To, "to", "", "copy to `DIR` in the VM (default /root/repo)")
	cmd.Flags().StringVar(&req.Branch, "branch", "", "check out `BRANCH` in the VM (default: the current branch)")
	cmd.Flags().BoolVarP(&req.Force, "force", "f", false, "replace an existing workspace; its unexported changes are lost")
	f = formatFlag(cmd)
	return cmd
}

func workspaceModeFlag(cmd *cobra.Command) *optional[string] {
	f := optionalFlag(cmd, "mode", "MODE", "what to copy: shallow (the current commit) or full_copy (all refs and submodules) (default shallow)", func(text string) (string, error) {
		return oneOf("--mode", text, "shallow", "full_copy")
	})
	complete(cmd, "mode", "shallow", "full_copy")
	return f
}

func absolutePath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "cannot resolve %s", path)
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
		"\nrun a command   banger exec " + w.VM + " -w " + cmdline.Word(w.Path) + " -- COMMAND" +
		"\nexport changes  banger vm workspace export " + w.VM + " | " + gitApply(w.Source) + "\n")
}

// prepareWorkspace shows the stages, and says what was left out.
func (a *App) prepareWorkspace(ctx context.Context, c *client.Client, name string, req api.PrepareWorkspace) (api.Workspace, error) {
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return c.PrepareWorkspace(ctx, name, req) }, show.update)
	if err != nil {
		return api.Workspace{}, err
	}
	w, err := client.Result[api.Workspace](op)
	for _, note := range w.Notes {
		a.say("note: " + plain.Line(note, maxShown))
	}
	return w, err
}

func (a *App) workspaceShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show the workspace of a VM and its unexported changes",
		Example:           "  banger vm workspace show box\n  banger vm workspace show box -o json",
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
			column[api.Workspace]{head: "changes", cell: func(w api.Workspace) string { return workText(&w) }},
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
			return fault.Count(int(w.FilesSent), "file") + ", " + bytesText(w.BytesSent)
		}},
	}
}

// workText says in a few words what work a workspace has that no export has.
func workText(w *api.Workspace) string {
	if w == nil {
		return ""
	}
	if w.State != api.WorkspaceChanged {
		return w.State
	}
	var parts []string
	if w.Files > 0 {
		parts = append(parts, fault.Count(w.Files, "file"))
	}
	for _, dir := range w.WorkTrees {
		parts = append(parts, "uncommitted changes in the work tree "+dir)
	}
	for _, dir := range w.Stashes {
		if dir == "." {
			parts = append(parts, "stashed changes")
		} else {
			parts = append(parts, "stashed changes in "+dir)
		}
	}
	if len(w.Elsewhere) > 0 {
		parts = append(parts, "commits on "+strings.Join(w.Elsewhere, ", "))
	}
	if w.Unread {
		parts = append(parts, "branches that git in the guest cannot read")
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
