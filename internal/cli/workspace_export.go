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
		Short: "Print all changes in a VM's workspace as a patch",
		Long: "Write everything done in a VM's workspace since it was prepared, committed there or not, to stdout or a file. The base and\n" +
			"the changed files are printed to stderr. The workspace stays as it is, so an export can be repeated at any time. A terminal\n" +
			"gets text to read, without control characters; that does not count as exported.\n\n" +
			"A patch is against the work tree that was sent, uncommitted changes included, so that it applies to yours. For a fresh\n" +
			"clone, name the commit: --base-commit HEAD. After --apply, the next export has what was done since. A mailbox (for git am --keep-cr) and a bundle are against that commit anyway.",
		Example: `  banger vm workspace export box | git apply
  banger vm workspace export box --stat
  banger vm workspace export box --check && banger vm workspace export box --apply
  banger vm workspace export box --format mbox --output work.mbox`,
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1, vmRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := opts.check(cmd); err != nil {
				return err
			}
			return a.workspaceExport(cmd.Context(), given[0], opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.req.BaseCommit, "base-commit", "", "the `REVISION` (or tree) to compare with")
	flags.StringVar(&opts.file, "output", "", "write to `FILE`, which appears when it is complete")
	flags.BoolVar(&opts.stat, "stat", false, "print only what has changed")
	flags.StringVar(&opts.req.Format, "format", "", "`FORMAT`: patch (default), mbox or bundle")
	flags.BoolVar(&opts.req.Check, "check", false, "only check whether the patch applies to the work tree it came from")
	flags.BoolVar(&opts.req.Apply, "apply", false, "apply it to the work tree it came from, as one step or not at all")
	flags.StringVar(&opts.req.Path, "path", "", "a work tree at `DIR` in the VM (default: the workspace)")
	flags.VarP(&opts.format, "output-format", "o", "`FORMAT` of the answer: table, json, yaml or name")
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
		return usagef(cmd, "only one of --stat, --check and --apply can be given")
	}
	if only == 1 && o.file != "" {
		return usagef(cmd, "--output cannot be given with --stat, --check or --apply: they write no patch")
	}
	return checkOutput(o.file)
}

// checkOutput finds before the work that a file could not be made after it.
func checkOutput(file string) error {
	if file == "" || file == "-" {
		return nil
	}
	if slices.Contains([]string{formatTable, formatJSON, formatYAML, formatName}, file) {
		return fault.New(fault.Invalid, "--output %s names a file here", file).
			WithHint("-o %s for the format of the answer; --output ./%s for a file of that name", file, file)
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fault.New(fault.Invalid, "--output %s is a directory", file).WithHint("name a file in it")
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
			WithHint("commit your changes to them, and merge: banger vm workspace export %s | git apply --3way; or move them away, and try again", name)
	}
	return err
}

func someNames(names []string) []string {
	const some = 10
	if len(names) <= some {
		return names
	}
	return append(names[:some:some], plural(len(names)-some, "other file"))
}

func (a *App) exportWorkspace(ctx context.Context, c *client.Client, name string, req api.ExportWorkspace) (api.Export, error) {
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := follow(ctx, c, show, func(ctx context.Context) (api.Operation, error) { return c.ExportWorkspace(ctx, name, req) })
	if err != nil {
		return api.Export{}, err
	}
	return result[api.Export](op)
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
			b.WriteString(printable(f.Path, " ") + "\n")
		}
		return a.print(b.String())
	}
	a.echo(answer.Export)
	switch {
	case answer.Already:
		a.say("already applied: the work tree has all of it")
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
