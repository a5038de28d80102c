package gittree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/gitindex"
)

// prepare makes the object directory and the two copies of the index.
func (s *Snapshot) prepare(ctx context.Context, g Git) error {
	if strings.ContainsAny(s.Objects, "\n") {
		return fmt.Errorf("the objects at %q: %w", s.Objects, ErrPath)
	}
	if err := os.MkdirAll(filepath.Join(s.NewObjects, "info"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.NewObjects, "info", "alternates"), []byte(s.Objects+"\n"), 0o600); err != nil {
		return err
	}
	err := copyFile(s.Index, s.Staged)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever staged
	}
	if err != nil {
		return err
	}
	if !readable(s.Staged, s.Format) {
		err := g.Run(ctx, s.with(s.Staged, "update-index", "--force-write-index", "--index-version", "2", "--no-split-index"))
		if err != nil {
			return err
		}
	}
	if err := copyFile(s.Staged, s.Full); err != nil {
		return err
	}
	return s.doubt()
}

// doubt takes from Full the marks with which git does not look at a file that
// is there: what is in it is part of the work tree, whatever git was told.
func (s *Snapshot) doubt() error {
	x, err := ReadIndex(s.Full, s.Format)
	if errors.Is(err, gitindex.ErrFormat) {
		return nil // a git that writes no other; what it has marked stays unseen
	}
	if err != nil {
		return err
	}
	var marked bool
	for i, e := range x.Entries {
		if !e.Assumed && !e.SkipWorktree {
			continue
		}
		_, err := os.Lstat(filepath.Join(s.Top, e.Path))
		if e.SkipWorktree && err != nil {
			continue // a sparse work tree leaves it out
		}
		x.Unmark(i)
		marked = true
	}
	if !marked {
		return nil
	}
	info, err := os.Stat(s.Full)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.Full, x.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Chtimes(s.Full, info.ModTime(), info.ModTime())
}

// readable reports whether gitindex understands the index as it is.
func readable(path, format string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	_, err = gitindex.Parse(data, gitindex.HashSize(format))
	return err == nil
}

// ReadIndex parses the index at path. One that is not there is empty.
func ReadIndex(path, format string) (*gitindex.Index, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return gitindex.Empty(gitindex.HashSize(format)), nil
	}
	if err != nil {
		return nil, err
	}
	return gitindex.Parse(data, gitindex.HashSize(format))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	root, err := os.OpenRoot(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(CopyFile(in, root, filepath.Base(to)), root.Close())
}

// CopyFile copies what is in a file, and its time, to a new file that only its
// owner may read: git believes an entry only if the file is older than the index.
// An error leaves what was copied by then.
func CopyFile(in *os.File, to *os.Root, name string) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return to.Chtimes(name, info.ModTime(), info.ModTime())
}
