package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

type exportOptions struct {
	req    api.ExportWorkspace
	file   string
	stat   bool
	format format
}

func (a *App) workspaceExportCommand() *cobra.Command {
	opts := exportOptions{format: formatTable}
	cmd := &cobra.Command{
		Use:   "export NAME",
		Short: "Export the changes in a workspace as a patch",
		Long: "Export all changes in a workspace since it was prepared, committed or not, as a patch on stdout or in a file. The base\n" +
			"and the changed files are listed on stderr. The workspace does not change, so you can export again at any time. A\n" +
			"patch that is printed to a terminal is only for reading and does not count as exported.\n\n" +
			"The patch applies to the work tree that was copied, with its uncommitted changes. For a fresh clone, use\n" +
			"--base-commit HEAD. After --apply, the next export has only newer changes. The mbox and\n" +
			"bundle formats contain commits, so they need a commit as the base. Apply an mbox with `git am --keep-cr`.",
		Example: `  banger vm workspace export box | git apply
  banger vm workspace export box --stat
  banger vm workspace export box --check && banger vm workspace export box --apply
  banger vm workspace export box --format mbox --output work.mbox`,
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1, api.VMRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := opts.check(cmd); err != nil {
				return err
			}
			return a.workspaceExport(cmd.Context(), given[0], opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.req.BaseCommit, "base-commit", "", "compare with this `REVISION` or tree (default: the work tree that was copied)")
	flags.StringVar(&opts.file, "output", "", "write the patch to `FILE` (default: stdout)")
	flags.BoolVar(&opts.stat, "stat", false, "list only the changed files")
	flags.StringVar(&opts.req.Format, "format", "", "`FORMAT` of the export: patch, mbox or bundle (default patch)")
	flags.BoolVar(&opts.req.Check, "check", false, "only check whether the patch applies to the original work tree")
	flags.BoolVar(&opts.req.Apply, "apply", false, "apply the patch to the original work tree, completely or not at all")
	flags.StringVar(&opts.req.Tree, "tree", "", "fail if the work tree in the VM is no longer `TREE`, as -o json of an earlier export names it (default: export what is there)")
	flags.StringVar(&opts.req.Path, "path", "", "export the work tree at `DIR` in the VM (default: the workspace)")
	flags.VarP(&opts.format, "output-format", "o", "output `FORMAT`: table, json, yaml or name")
	complete(cmd, "format", "patch", "mbox", "bundle")
	complete(cmd, "output-format", formatTable, formatJSON, formatYAML, formatName)
	return cmd
}

func (o *exportOptions) check(cmd *cobra.Command) error {
	only := 0
	for _, set := range []bool{o.stat, o.req.Check, o.req.Apply} {
		if set {
			only++
		}
	}
	if only > 1 {
		return usagef(cmd, "--stat, --check and --apply cannot be used together")
	}
	if only == 1 && o.file != "" {
		return usagef(cmd, "--output cannot be used with --stat, --check or --apply: they write no patch")
	}
	return checkOutput(o.file)
}

// checkOutput finds before the work that a file could not be made after it.
func checkOutput(file string) error {
	if file == "" || file == "-" {
		return nil
	}
	if slices.Contains([]string{formatTable, formatJSON, formatYAML, formatName}, file) {
		return fault.New(fault.Invalid, "--output %s: this flag takes a file, not a format", file).
			WithHint("use -o %s for the output format, or --output ./%s for a file with that name", file, file)
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fault.New(fault.Invalid, "--output %s is a directory", file).WithHint("give a file in that directory")
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
		return fault.New(fault.Invalid, "--output %s: %s is not a directory", file, filepath.Dir(file))
	}
	return nil
}

// carries reports whether the answer has the patch itself in it.
func (o *exportOptions) carries() bool { return !o.stat && !o.req.Check && !o.req.Apply }

func (a *App) workspaceExport(ctx context.Context, name string, opts exportOptions) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	e, err := a.exportWorkspace(ctx, c, name, opts.req)
	if err != nil {
		return err
	}
	answer := exportAnswer{Export: e}
	if opts.carries() {
		err = a.deliver(ctx, c, name, opts, &answer)
	} else {
		err = a.exportSummary(opts, answer)
	}
	if err == nil && len(e.Conflicts) > 0 {
		return fault.New(fault.Conflict, "the patch does not apply: it conflicts with %s", strings.Join(someNames(e.Conflicts), ", ")).
			WithHint("commit your changes to them and merge with: banger vm workspace export %s | git apply --3way", name)
	}
	return err
}

func someNames(names []string) []string {
	const some = 10
	if len(names) <= some {
		return names
	}
	return append(names[:some:some], fault.Count(len(names)-some, "other file"))
}

func (a *App) exportWorkspace(ctx context.Context, c *client.Client, name string, req api.ExportWorkspace) (api.Export, error) {
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return c.ExportWorkspace(ctx, name, req) }, show.update)
	if err != nil {
		return api.Export{}, err
	}
	return client.Result[api.Export](op)
}

// exportAnswer is what -o json shows: the export, with the patch in it.
type exportAnswer struct {
	api.Export
	Patch       *string `json:"patch,omitempty"`
	PatchBase64 []byte  `json:"patch_base64,omitempty"` // what is not UTF-8
	Output      string  `json:"output,omitempty"`       // where the patch is instead
}

// exportSummary prints what is known of an export without its bytes.
func (a *App) exportSummary(opts exportOptions, answer exportAnswer) error {
	switch opts.format {
	case formatJSON, formatYAML:
		return a.printValue(opts.format, answer)
	case formatName:
		var b strings.Builder
		for _, f := range answer.Files {
			b.WriteString(plain.Line(f.Path, maxShown) + "\n")
		}
		return a.print(b.String())
	}
	a.echo(answer.Export)
	switch {
	case answer.Already:
		a.say("already applied: the work tree has all the changes")
	case answer.Applied && answer.FileCount == 0:
		a.say("nothing to apply")
	case answer.Applied:
		a.say("applied")
	case opts.req.Check && len(answer.Conflicts) == 0:
		a.say("the patch applies")
	case answer.Output != "":
		return a.print(answer.Output + "\n")
	}
	return nil
}
