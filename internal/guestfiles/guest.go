// Package guestfiles reads and writes the files of a running VM, for every
// client of the daemon: whole trees and streams of any size (Guest.CopyIn,
// CopyOut, StreamIn, StreamOut), and single files that fit into memory (Files).
// It goes to the agent in the guest by SFTP, past the daemon where it can, and
// trusts nothing that the guest says of its files.
//
// A file is replaced in one step: who reads it sees the old content or the new.
package guestfiles

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Guest is an open connection to the files of one VM. One copy at a time is
// under way in it. The caller closes it.
type Guest struct {
	files remote
	end   func()
}

// Close ends the connection, and with it what is under way.
func (g *Guest) Close() { g.end() }

// CopyIn copies the host's file or directory src, with modes, times and
// symbolic links, to dst, or into dst if that is a directory. "DIR/." as src
// means what is in DIR. Progress, which may be nil, is told of it. The copy
// ends with ctx; of a directory, what was copied by then stays.
func (g *Guest) CopyIn(ctx context.Context, src, dst string, progress Progress) error {
	name, err := landing(src, dst, g.files.Stat)
	if err != nil {
		return copyFault(ctx, err)
	}
	m := newMeter(progress)
	if progress != nil {
		m.total = treeBytes(src)
	}
	c := &copier{ctx: ctx, from: host{}, to: g.files, meter: m}
	return copyFault(ctx, c.top(src, name))
}

// CopyOut is CopyIn from the guest to the host. Nothing is written outside the
// directory in which dst is, whatever links the guest makes up.
func (g *Guest) CopyOut(ctx context.Context, src, dst string, progress Progress) error {
	return copyFault(ctx, copyOut(ctx, g.files, src, dst, newMeter(progress)))
}

func copyOut(ctx context.Context, from source, src, dst string, m *meter) error {
	name, err := landing(src, dst, os.Stat)
	if err != nil {
		return err
	}
	dir, base := filepath.Dir(name), filepath.Base(name)
	if base == "." || base == ".." || base == "/" {
		dir, base = name, "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	c := &copier{ctx: ctx, from: from, to: below{root}, meter: m}
	return c.top(src, base)
}

// StreamIn writes r to a file of the guest, which gets the mode 0644. It reads
// on after ctx has ended until the Read that is under way returns.
func (g *Guest) StreamIn(ctx context.Context, r io.Reader, dst string, progress Progress) error {
	if info, err := g.files.Stat(dst); err == nil && info.IsDir() {
		return fault.New(fault.Invalid, "%s is a directory, but stdin has no file name", dst).WithHint("give a file name: %s", path.Join(dst, "FILE"))
	}
	c := &copier{ctx: ctx, to: g.files, meter: newMeter(progress)}
	return copyFault(ctx, c.replace(path.Clean(dst), r, func(staged string) error {
		return g.files.Finish(staged, 0o644, time.Now())
	}))
}

// StreamOut writes the content of a file of the guest to w.
func (g *Guest) StreamOut(ctx context.Context, src string, w io.Writer, progress Progress) error {
	info, err := g.files.Stat(src)
	if err != nil {
		return copyFault(ctx, err)
	}
	if info.IsDir() {
		return fault.New(fault.Invalid, "%s is a directory", src).WithHint("to get it as one stream, run in the VM: tar c -C %s .", src)
	}
	in, err := g.files.Open(src)
	if err != nil {
		return copyFault(ctx, err)
	}
	defer func() { _ = in.Close() }()
	return copyFault(ctx, named(path.Base(src), newMeter(progress).copy(ctx, path.Base(src), w, in)))
}

// treeBytes is what the regular files at src hold, as far as it can be known.
func treeBytes(src string) int64 {
	var total int64
	_ = filepath.WalkDir(src, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // the copy itself will say so
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
