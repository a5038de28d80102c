package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/guestfiles"
)

// place is one side of a copy: a path here, or in a VM.
type place struct {
	vm   string // empty: this host
	path string
}

// parsePlace reads NAME:path, or a path of this host. As with scp, a colon
// behind a slash is part of a path.
func parsePlace(text string) place {
	vm, path, found := strings.Cut(text, ":")
	if !found || vm == "" || strings.Contains(vm, "/") {
		return place{path: text}
	}
	if path == "" {
		path = "."
	}
	return place{vm: vm, path: path}
}

// copying is one `vm cp`.
type copying struct {
	srcs          []place
	dst           place
	setID, resume bool
	recursive     bool // accepted and without effect, like archive
	archive       bool
}

func (a *App) vmCopyCommand() *cobra.Command {
	c := &copying{}
	cmd := &cobra.Command{
		Use:   "cp SRC... DST",
		Short: "Copy files between the host and VMs",
		Long: "Copy files and directories to a VM, from a VM, or from one VM to another. A path in a VM is NAME:PATH; relative ones\n" +
			"begin in root's home. All sources are on the same side, and several need a directory as DST.\n\n" +
			"Directories are copied recursively. Permissions, times, symbolic and hard links, and holes are kept; owners are not.\n" +
			"If DST is an existing directory, each SRC is copied into it, and of DIR/. what is in DIR. Each file is replaced\n" +
			"atomically. FIFOs, sockets and devices in a directory are skipped, with a word. A file that cannot be read fails the\n" +
			"command after all others are copied. Set-user-ID and set-group-ID bits are dropped, with a word, without --setuid.\n\n" +
			"With - as SRC, stdin becomes the file DST; if DST is a directory, stdin is a tar stream that is unpacked there. With\n" +
			"- as DST, a file goes to stdout as it is, and a directory as a tar stream.\n\n" +
			"Interrupted, a copy leaves no half file behind; files that were complete stay. With --resume, files that are there\n" +
			"already with the same size and time are skipped, and an interrupted copy leaves what it has of the file under way\n" +
			"as .FILE.banger-part, which the next --resume completes.",
		Example: `  banger vm cp ./src notes.md box:/root/
  banger vm cp box:/var/log/syslog .
  banger vm cp box:/srv/data other:/srv/
  banger vm cp --resume huge.img box:/var/lib/
  tar c . | banger vm cp - box:/srv/
  banger vm cp box:/etc - | tar t`,
		Args: args(2, -1, "SRC and DST"),
		RunE: func(cmd *cobra.Command, given []string) error {
			for _, src := range given[:len(given)-1] {
				c.srcs = append(c.srcs, parsePlace(src))
			}
			c.dst = parsePlace(given[len(given)-1])
			return a.vmCopy(cmd, c)
		},
	}
	cmd.Flags().BoolVarP(&c.recursive, "recursive", "r", false, "accepted; directories are always copied")
	cmd.Flags().BoolVarP(&c.archive, "archive", "a", false, "accepted; permissions, times and links are always kept")
	cmd.Flags().BoolVar(&c.setID, "setuid", false, "keep set-user-ID, set-group-ID and sticky bits")
	cmd.Flags().BoolVar(&c.resume, "resume", false, "skip files that are there already, and go on with the one that was interrupted")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if strings.ContainsAny(prefix, ":/.") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		names, _ := a.vmNames(-1, api.VMRunning)(cmd, given, prefix)
		for i, name := range names {
			word, note, _ := strings.Cut(name, "\t")
			names[i] = word + ":\t" + note
		}
		return names, cobra.ShellCompDirectiveNoSpace
	}
	return cmd
}

// from is the VM that all sources are in, or empty for the host.
func (c *copying) from(cmd *cobra.Command) (vm string, paths []string, err error) {
	vm = c.srcs[0].vm
	for _, src := range c.srcs {
		if src.vm != vm {
			return "", nil, usagef(cmd, "all sources must be on the same side, but %q and %q are not", c.srcs[0].path, src.path)
		}
		if vm == "" && src.path == "-" && len(c.srcs) > 1 {
			return "", nil, usagef(cmd, "- cannot be one of several sources")
		}
		paths = append(paths, src.path)
	}
	switch {
	case vm == "" && c.dst.vm == "":
		return "", nil, usagef(cmd, "neither %q nor %q names a VM (NAME:PATH)", c.srcs[0].path, c.dst.path)
	case c.dst.vm == "" && c.dst.path == "-" && len(paths) > 1:
		return "", nil, usagef(cmd, "only one source can go to stdout")
	case c.resume && (vm != "" && c.dst.vm != "" || paths[0] == "-" || c.dst.path == "-"):
		return "", nil, usagef(cmd, "--resume needs files on the host, as sources or destination")
	}
	return vm, paths, nil
}

func (a *App) vmCopy(cmd *cobra.Command, c *copying) error {
	vm, paths, err := c.from(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	daemon, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	show := a.copyStages()
	defer show.close()
	var said []string // behind the progress, which would overwrite them
	o := guestfiles.Options{
		Progress: copyProgress(show), SetID: c.setID, Resume: c.resume,
		Left: func(path, why string) { said = append(said, path+": "+why) },
	}
	switch {
	case vm != "" && c.dst.vm != "":
		err = guestfiles.Of(daemon, vm).CopyTo(ctx, paths, guestfiles.Of(daemon, c.dst.vm), c.dst.path, o)
	case vm == "" && paths[0] == "-":
		err = guestfiles.Of(daemon, c.dst.vm).StreamIn(ctx, a.In, c.dst.path, o)
	case vm == "":
		err = guestfiles.Of(daemon, c.dst.vm).CopyIn(ctx, paths, c.dst.path, o)
	case c.dst.path == "-":
		err = guestfiles.Of(daemon, vm).StreamOut(ctx, paths[0], a.Out, o)
	default:
		err = guestfiles.Of(daemon, vm).CopyOut(ctx, paths, c.dst.path, o)
	}
	show.close()
	for _, line := range said {
		a.say(line)
	}
	return err
}

// copyStages shows a copy on stderr when that is a terminal.
func (a *App) copyStages() stages {
	if !isTerminal(a.Err) || a.getenv("TERM") == "dumb" {
		return noStages{}
	}
	return a.stagesTo(a.Err)
}

// copyProgress shows a copy as one stage.
func copyProgress(show stages) guestfiles.Progress {
	if _, ok := show.(noStages); ok {
		return nil // nothing is worth counting
	}
	begun := time.Now()
	return func(name string, done, total int64) {
		show.update(api.Operation{Stages: []api.Stage{{
			Name: "copy", State: api.StageRunning, Detail: name, Done: done, Total: total, Unit: api.UnitBytes, StartedAt: begun,
		}}})
	}
}
