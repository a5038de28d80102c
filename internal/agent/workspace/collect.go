package workspace

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitindex"
	"github.com/bangervm/banger/internal/gittree"
)

// scratchMark begins the name of the directory, in .git, that holds what a
// collect makes.
const scratchMark = "banger-collect-"

func (s Server) collect(ctx context.Context, req agentrpc.WorkspaceRequest, in *bufio.Reader, out io.Writer) error {
	info, err := os.Stat(req.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(codeNotFound, "%s does not exist in the guest", req.Path)
	case err != nil:
		return err
	case !info.IsDir():
		return refuse(codeConflict, "%s is not a directory", req.Path)
	}
	git := s.findGit()
	if git == "" || req.NoGit {
		return list(ctx, req, "", in, out)
	}
	c := &collection{git: guestGit(git)}
	defer c.remove()
	err = c.read(ctx, req.Path, "", req.Base)
	if errors.Is(err, gittree.ErrNoRepo) {
		return list(ctx, req, "", in, out)
	}
	if unreadable(err) && req.Base != "" {
		return list(ctx, req, err.Error(), in, out)
	}
	if err != nil {
		return err
	}
	return c.serve(ctx, in, out)
}

// unreadable reports whether a repository is in a state, or the guest's git of
// an age, that git does not read it. Its files are there nevertheless.
func unreadable(err error) bool {
	_, failed := errors.AsType[*gittree.Error](err)
	return failed || isFull(err) || errors.Is(err, gittree.ErrPath) || errors.Is(err, gitindex.ErrFormat)
}

// guestGit runs the guest's git. Nothing is compressed: the channel to the host
// is faster than that.
func guestGit(path string) gittree.Git {
	env := []string{"LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0"}
	for _, name := range []string{"PATH", "HOME"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return gittree.Git{Path: path, Env: env, Config: append(gittree.Quiet(),
		"safe.directory=*", "core.compression=0", "core.looseCompression=0", "pack.compression=0")}
}

// collection is a work tree with the repositories in it, read.
type collection struct {
	git       gittree.Git
	repos     []agentrpc.WorkspaceRepo
	snapshots []gittree.Snapshot
	scratch   []string
}

func (c *collection) remove() {
	for _, dir := range c.scratch {
		_ = os.RemoveAll(dir) // the next collect tries again
	}
}

// read reads the repository at dir, and those in it. base is what the host sent
// of it, if it is known.
func (c *collection) read(ctx context.Context, dir, below, base string) error {
	if len(c.repos) == agentrpc.MaxWorkspaceRepos {
		return refuse(codeInvalid, "%s has more than %d repositories in it", dir, agentrpc.MaxWorkspaceRepos)
	}
	repo, err := gittree.Open(ctx, c.git, dir)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(dir); err != nil || real != repo.Top {
		return gittree.ErrNoRepo // it belongs to a repository further up
	}
	left, _ := filepath.Glob(filepath.Join(repo.GitDir, scratchMark+"*")) // a bad pattern finds nothing
	for _, path := range left {
		_ = os.RemoveAll(path)
	}
	scratch, err := os.MkdirTemp(repo.GitDir, scratchMark)
	if err != nil {
		return err
	}
	c.scratch = append(c.scratch, scratch)
	snap, err := gittree.Read(ctx, c.git, repo, scratch, base)
	if err != nil {
		return err
	}
	elsewhere, err := c.elsewhere(ctx, repo)
	if err != nil {
		return err
	}
	elsewhere = append(elsewhere, c.linked(ctx, snap)...)
	c.snapshots = append(c.snapshots, snap)
	c.repos = append(c.repos, agentrpc.WorkspaceRepo{
		Path: []byte(below), Format: snap.Format, Tree: snap.Tree, Head: snap.Head, Branch: snap.Branch, Elsewhere: elsewhere,
	})
	for _, nested := range snap.Nested {
		err := c.read(ctx, filepath.Join(dir, nested), path.Join(below, nested), "")
		if errors.Is(err, gittree.ErrNoRepo) {
			continue // what looked like a repository is none
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// elsewhere names the branches (and the stash) with commits that HEAD lacks,
// each "NAME COMMIT".
func (c *collection) elsewhere(ctx context.Context, repo gittree.Repo) ([]string, error) {
	args := []string{"for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/stash"}
	if repo.Head != "" {
		args = append(args, "--no-merged", repo.Head)
	}
	out, err := c.git.Output(ctx, gittree.Cmd{Dir: repo.Top, Args: args})
	if err != nil {
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if names[0] == "" {
		return nil, nil
	}
	return names[:min(len(names), agentrpc.MaxElsewhere)], nil
}

// leftOut is what the guest's git says that it left out.
func (c *collection) leftOut() string {
	const most = 1000
	var all []string
	for _, snap := range c.snapshots {
		all = append(all, snap.Unread...)
	}
	text := strings.Join(all, "; ")
	return text[:min(len(text), most)]
}

// serve tells the host of the snapshot and sends what it wants.
func (c *collection) serve(ctx context.Context, in *bufio.Reader, out io.Writer) error {
	answer := agentrpc.WorkspaceAnswer{Message: c.leftOut(), Snapshot: &agentrpc.WorkspaceSnapshot{Repos: c.repos}}
	if err := agentrpc.WriteLine(out, answer); err != nil {
		return &midStream{err}
	}
	var want agentrpc.WorkspaceWant
	if err := agentrpc.ReadLine(in, &want); err != nil {
		return &midStream{err}
	}
	if !want.Packs {
		return nil
	}
	buffered := bufio.NewWriterSize(out, agentrpc.MaxFrame)
	for i := range c.repos {
		err := c.pack(ctx, i, want, agentrpc.ChunkWriter{W: buffered})
		if err != nil {
			_ = agentrpc.FailChunks(buffered, err.Error()) // the stream may be what failed
		}
		if err := errors.Join(err, buffered.Flush()); err != nil {
			return &midStream{err}
		}
	}
	return nil
}

func (c *collection) pack(ctx context.Context, i int, want agentrpc.WorkspaceWant, to agentrpc.ChunkWriter) error {
	snap := c.snapshots[i]
	var revs bytes.Buffer
	revs.WriteString(snap.Tree + "\n")
	if want.History && snap.Head != "" {
		revs.WriteString(snap.Head + "\n")
	}
	have, err := c.present(ctx, snap, want.Have)
	if err != nil {
		return err
	}
	if want.HeadOnly && snap.Head != "" {
		revs.WriteString("--shallow " + snap.Head + "\n" + snap.Head + "\n")
	}
	for _, id := range have {
		revs.WriteString("^" + id + "\n")
	}
	err = c.git.Run(ctx, gittree.Cmd{
		Dir: snap.Top, Env: snap.Environ(), Stdin: &revs, Stdout: to,
		Args: []string{"pack-objects", "-q", "--revs", "--stdout", "--window=0", "--delta-base-offset"},
	})
	if err != nil {
		return err
	}
	return to.End()
}

// present returns those of the objects that the repository has.
func (c *collection) present(ctx context.Context, snap gittree.Snapshot, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	out, err := c.git.Output(ctx, gittree.Cmd{
		Dir: snap.Top, Env: snap.Environ(), Stdin: strings.NewReader(strings.Join(ids, "\n") + "\n"),
		Args: []string{"cat-file", "--batch-check=%(objectname)"},
	})
	var have []string
	for line := range strings.Lines(string(out)) {
		if id := strings.TrimSpace(line); !strings.Contains(id, " ") { // "ID missing"
			have = append(have, id)
		}
	}
	return have, err
}
