package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

// ask gets files into the private work tree.
func (l *listing) ask(ctx context.Context, names []string) error {
	w := bufio.NewWriter(l.out)
	var fresh int
	for _, name := range names {
		if _, err := l.root.Lstat(name); err == nil {
			continue // it has come already
		}
		fresh++
		if err := agentrpc.WriteChunk(w, []byte(name)); err != nil {
			return hostile(ctx, err)
		}
	}
	if fresh == 0 {
		return nil
	}
	if err := errors.Join(agentrpc.WriteChunk(w, nil), w.Flush()); err != nil {
		return hostile(ctx, err)
	}
	return l.take(ctx, fresh)
}

func (l *listing) take(ctx context.Context, most int) error {
	tree := agentrpc.NewTreeReader(l.in)
	for {
		e, err := tree.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return hostile(ctx, err)
		}
		if _, asked := l.listed[e.Path]; !asked || most == 0 {
			return hostile(ctx, fmt.Errorf("%q was not asked for", e.Path))
		}
		most--
		if err := l.spend(e.Path, e.Size); err != nil {
			return err
		}
		if err := l.place(ctx, e, tree); err != nil {
			return err
		}
	}
}

// block is what a file or a directory takes of the disk, however small it is.
const block = 4 << 10

// spend pays for a file that is about to be written, and for the directories
// above it that are not there yet.
func (l *listing) spend(name string, size int64) error {
	l.taken += block
	for dir := path.Dir(name); dir != "." && !l.made[dir]; dir = path.Dir(dir) {
		l.made[dir] = true
		l.taken += block
	}
	if size < 0 || size > l.limits.FileBytes || l.taken+size > l.limits.FileBytes {
		return fault.New(fault.Invalid, "the workspace has more than %s of changed files", fault.Bytes(l.limits.FileBytes))
	}
	l.taken += size
	return nil
}

// place writes one file that the guest sent. The root holds it, whatever links
// the guest has sent before.
func (l *listing) place(ctx context.Context, e agentrpc.TreeEntry, data io.Reader) error {
	if err := l.root.MkdirAll(path.Dir(e.Path), 0o700); err != nil {
		return hostile(ctx, err)
	}
	if e.Kind == agentrpc.TreeLink {
		target, err := io.ReadAll(data)
		if err != nil {
			return hostile(ctx, err)
		}
		if err := l.root.Symlink(string(target), e.Path); err != nil {
			return hostile(ctx, err)
		}
		return nil
	}
	if e.Kind != agentrpc.TreeFile {
		return hostile(ctx, fmt.Errorf("%q has no content", e.Path))
	}
	file, err := l.root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(0o600|e.Mode&0o100))
	if err != nil {
		return hostile(ctx, err)
	}
	_, err = io.Copy(file, data)
	if err = errors.Join(err, file.Close()); err != nil {
		return hostile(ctx, err)
	}
	return nil
}
