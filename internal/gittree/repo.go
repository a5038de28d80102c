package gittree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Repo is where a work tree and what belongs to it are. Paths are absolute.
type Repo struct {
	Top       string // the work tree
	Index     string
	Objects   string
	CommonDir string // the .git that linked work trees share
	GitDir    string // this work tree's own
	Format    string // "sha1" or "sha256"
	Head      string // commit; empty before the first
	Branch    string // refs/heads/…; empty: detached
}

// ErrNoRepo says that a directory is not in a git work tree.
var ErrNoRepo = errors.New("not a git work tree")

// ErrPath says that a repository's path cannot be worked with.
var ErrPath = errors.New("a path with a line break")

// Open finds the repository that dir is in. ErrNoRepo when git finds none,
// ErrPath when its path has a line break.
func Open(ctx context.Context, g Git, dir string) (Repo, error) {
	out, err := g.Output(ctx, Cmd{Dir: dir, Args: []string{
		"rev-parse", "--path-format=absolute", "--show-toplevel", "--git-path", "index",
		"--git-path", "objects", "--git-common-dir", "--absolute-git-dir", "--show-object-format", "--revs-only", "HEAD",
	}})
	if err != nil {
		failure, ok := errors.AsType[*Error](err)
		if ok && (strings.Contains(failure.Stderr, "not a git repository") || strings.Contains(failure.Stderr, "must be run in a work tree")) {
			return Repo{}, ErrNoRepo
		}
		return Repo{}, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != 6 && len(lines) != 7 {
		return Repo{}, fmt.Errorf("the repository at %q: %w", dir, ErrPath)
	}
	r := Repo{Top: lines[0], Index: lines[1], Objects: lines[2], CommonDir: lines[3], GitDir: lines[4], Format: lines[5]}
	if len(lines) == 7 {
		r.Head = lines[6]
	}
	head, err := os.ReadFile(filepath.Join(r.GitDir, "HEAD"))
	if err != nil {
		return Repo{}, err
	}
	if ref, ok := strings.CutPrefix(string(head), "ref:"); ok {
		r.Branch = strings.TrimSpace(ref)
	}
	return r, nil
}
