package gitrepo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/workspace"
)

// Apply implements workspace.Git.
func (g *Git) Apply(ctx context.Context, req workspace.ApplyRequest) (conflicts []string, err error) {
	git, err := g.user()
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(req.Patch); err != nil || info.Size() == 0 {
		return nil, err // nothing to do
	}
	apply := func(args ...string) gittree.Cmd {
		return gittree.Cmd{Dir: req.Top, Args: append(append([]string{"apply", "--whitespace=nowarn", "--binary"}, args...), req.Patch)}
	}
	replaced := becomeFiles(req)
	if conflicts, err := occupied(req, replaced); err != nil || len(conflicts) > 0 {
		return conflicts, err
	}
	err = git.Run(ctx, apply("--check"))
	if failure, ok := asGitError(err); ok {
		conflicts := conflictsIn(failure.Stderr)
		if len(conflicts) == 0 {
			return nil, asFault(err, "check the patch in %s", req.Top)
		}
		return conflicts, nil
	}
	if err != nil {
		return nil, err
	}
	if req.CheckOnly {
		return nil, nil
	}
	if err := clearEmpty(req.Top, replaced); err != nil {
		return nil, err
	}
	saved, err := save(req.Top, patchPaths(req.Files))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(saved.dir)) }()
	// From here on it is finished or undone, whoever is still waiting.
	if err := git.Run(context.WithoutCancel(ctx), apply()); err != nil {
		return nil, errors.Join(asFault(err, "apply the patch in %s", req.Top), saved.restore())
	}
	return nil, nil
}

// conflictsIn reads the files in a patch's way from what git apply says.
func conflictsIn(stderr string) []string {
	var out []string
	for line := range strings.Lines(stderr) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "error: ")
		if !ok {
			continue
		}
		text = strings.TrimPrefix(text, "patch failed: ")
		for _, end := range []string{
			": patch does not apply", ": already exists in working directory", ": No such file or directory", ": Not a directory",
			": does not exist in working directory", ": wrong type", ": Is a directory",
		} {
			if name, ok := strings.CutSuffix(text, end); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		if _, rest, ok := strings.Cut(text, "the patch applies to '"); ok {
			if name, _, ok := strings.Cut(rest, "' ("); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// patchPaths are the files that a patch may touch.
func patchPaths(files []workspace.File) []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if f.From != "" {
			paths = append(paths, f.From)
		}
	}
	return paths
}

// backup is how files were before a patch.
type backup struct {
	top, dir string
	paths    []string
}

// save copies what a patch will touch.
func save(top string, paths []string) (backup, error) {
	dir, err := os.MkdirTemp("", "banger-apply-")
	b := backup{top: top, dir: dir, paths: paths}
	if err != nil {
		return b, err
	}
	for i, name := range paths {
		if err := copyNode(filepath.Join(top, name), b.at(i)); err != nil && !missing(err) {
			return b, errors.Join(fault.Wrap(fault.Internal, err, "save %s before the patch", name), os.RemoveAll(dir))
		}
	}
	return b, nil
}

func (b backup) at(i int) string { return filepath.Join(b.dir, strconv.Itoa(i)) }

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "not a directory")
}

func (b backup) restore() error {
	var errs []error
	for _, name := range b.paths {
		to := filepath.Join(b.top, name)
		if info, err := os.Lstat(to); err != nil || info.IsDir() {
			continue
		}
		errs = append(errs, os.Remove(to))
	}
	for i, name := range b.paths {
		if _, err := os.Lstat(b.at(i)); err != nil {
			continue
		}
		to := filepath.Join(b.top, name)
		errs = append(errs, os.MkdirAll(filepath.Dir(to), 0o755), copyNode(b.at(i), to))
	}
	return errors.Join(errs...)
}

// copyNode copies a file with its mode, or a link.
func copyNode(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if !info.Mode().IsRegular() {
		return fs.ErrNotExist // a directory becomes a file only when it is empty
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
