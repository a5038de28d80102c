package gitrepo

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitindex"
	"github.com/bangervm/banger/internal/gittree"
)

// unit is one repository of a parcel.
type unit struct {
	below  string // slash-separated; empty: the work tree itself
	snap   gittree.Snapshot
	staged *gitindex.Index
	files  []file
	links  []string // gitlinks whose directories are there
	pack   string   // name of its pack in the vault, without suffix; empty: no objects
	meta   meta
}

// file is a file or link of the work tree.
type file struct {
	path string
	stat syscall.Stat_t
}

// markClean marks the entries of the staged index whose files are as staged,
// and returns the objects that only the staged index has.
func (u *unit) markClean(full *gitindex.Index) (extra []string) {
	now := make(map[string]gitindex.Entry, len(full.Entries))
	for _, e := range full.Entries {
		now[e.Path] = e
	}
	for i, e := range u.staged.Entries {
		f, ok := now[e.Path]
		same := ok && f.OID == e.OID && f.Mode == e.Mode && e.Stage == 0
		u.staged.Mark(i, same && !e.SkipWorktree && e.Mode != gitindex.ModeGitlink)
		if !same && e.Mode != gitindex.ModeGitlink {
			extra = append(extra, hex.EncodeToString([]byte(e.OID)))
		}
	}
	return extra
}

// listFiles looks at all files of the work tree, and makes sure that they are
// those which git has just read. Without modes git's are taken for theirs.
func (u *unit) listFiles(ctx context.Context, git gittree.Git, full *gitindex.Index, modes bool) error {
	var doubtful []gitindex.Entry
	for i, e := range full.Entries {
		if e.SkipWorktree {
			continue
		}
		f := file{path: e.Path}
		err := syscall.Lstat(filepath.Join(u.snap.Top, e.Path), &f.stat)
		if e.Mode == gitindex.ModeGitlink {
			if err == nil && f.stat.Mode&syscall.S_IFMT == syscall.S_IFDIR {
				u.links = append(u.links, e.Path)
			}
			continue
		}
		if err != nil {
			return u.unreadable(e.Path, err)
		}
		if !modes {
			f.asGit(e.Mode)
		}
		if !full.UpToDate(i, &f.stat) {
			doubtful = append(doubtful, e)
		}
		u.files = append(u.files, f)
	}
	return u.verify(ctx, git, doubtful)
}

// asGit gives a file the mode that git has of it, where git was told not to
// believe the filesystem's.
func (f *file) asGit(mode uint32) {
	if f.stat.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return
	}
	f.stat.Mode &^= 0o111
	if mode == gitindex.ModeExecutable {
		f.stat.Mode |= f.stat.Mode & 0o444 >> 2
	}
}

// unreadable says why a file cannot be read that git knows.
func (u *unit) unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.New(fault.PermissionDenied, "cannot read %s: %v", filepath.Join(u.snap.Top, path), err).
			WithHint("make it readable: git tracks it")
	}
	return u.changed(path)
}

func (u *unit) changed(path string) error {
	return &changedError{fault.New(fault.Conflict, "%s changed while it was read", filepath.Join(u.snap.Top, path)).
		WithHint("try again; if a program writes it all the time, ignore it with a line in .git/info/exclude")}
}

// changedError says that a work tree did not stay as it was while it was read.
type changedError struct{ fault *fault.Error }

func (e *changedError) Error() string { return e.fault.Error() }
func (e *changedError) Unwrap() error { return e.fault }

// verify hashes the files whose index entries another program wrote in its own way.
func (u *unit) verify(ctx context.Context, git gittree.Git, entries []gitindex.Entry) error {
	for _, e := range entries {
		if e.Mode == gitindex.ModeSymlink {
			continue
		}
		out, err := git.Output(ctx, gittree.Cmd{Dir: u.snap.Top, Args: []string{"hash-object", "--", "./" + e.Path}})
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(out)) != hex.EncodeToString([]byte(e.OID)) {
			return u.changed(e.Path)
		}
	}
	return nil
}
