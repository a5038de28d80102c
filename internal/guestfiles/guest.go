// Package guestfiles reads and writes the files of a running VM, for every
// client of the daemon: whole trees and streams of any size (Guest.CopyIn,
// CopyOut, StreamIn, StreamOut), and single files that fit into memory (Files).
// Copies go to the agent in the guest by agentrpc.CopyProtocol, past the daemon.
// Where there is none (an agent of an older build, a daemon elsewhere) they go by
// SFTP, as single files always do. It trusts nothing that the guest says of its files.
//
// A file is replaced in one step: who reads it sees the old content or the new.
package guestfiles

import (
	"bufio"
	"context"
	"errors"
	"io"
	"path"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/treecopy"
)

// Conn is a stream that carries agentrpc.CopyProtocol. Close ends what waits on it.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetWriteDeadline(t time.Time) error
	SetReadDeadline(t time.Time) error
}

// Guest copies to and from one VM. It is safe for concurrent use: each copy has a
// connection of its own.
type Guest struct {
	copy func(ctx context.Context, req agentrpc.CopyRequest) (Conn, error)
	old  func(ctx context.Context) (*session, error)
}

// Of returns the files of the VM called name, which must be running when they are copied.
func Of(c *client.Client, name string) *Guest {
	return &Guest{
		copy: func(ctx context.Context, req agentrpc.CopyRequest) (Conn, error) { return c.CopyVM(ctx, name, req) },
		old:  func(ctx context.Context) (*session, error) { return dial(ctx, c, name) },
	}
}

// CopyIn copies the host's files and directories srcs, with modes, times, links
// and holes, to dst, or into dst if that is a directory: several sources need one.
// "DIR/." as a source means what is in DIR. The copy ends with ctx; of a
// directory, what was copied by then stays.
func (g *Guest) CopyIn(ctx context.Context, srcs []string, dst string, o Options) error {
	m := newMeter(o.Progress)
	for _, src := range srcs {
		if err := treecopy.Check(src); err != nil {
			return copyFault(ctx, err)
		}
		if o.Progress != nil {
			m.total += treecopy.Bytes(src)
		}
	}
	old := func(s *session) error {
		if info, err := s.files.Stat(dst); len(srcs) > 1 && (err != nil || !info.IsDir()) {
			return fault.New(fault.Invalid, "%s is not a directory", dst)
		}
		for _, src := range srcs {
			if err := s.copyIn(ctx, src, dst, m); err != nil {
				return err
			}
		}
		return nil
	}
	return g.put(ctx, srcs, dst, o, old, func(ctx context.Context, tree *agentrpc.TreeWriter, have []treecopy.Have, left *notes) error {
		r := treecopy.Reader{W: tree, Counted: m.add, SetID: o.SetID, Have: have}
		for _, src := range srcs {
			r.Noted = left.below(src)
			if err := r.Read(ctx, src); err != nil {
				return err
			}
		}
		return nil
	})
}

// CopyOut is CopyIn from the guest to the host. Nothing is written outside the
// directory in which dst is, whatever links the guest makes up.
func (g *Guest) CopyOut(ctx context.Context, srcs []string, dst string, o Options) error {
	if o.Resume {
		for _, src := range srcs {
			if treecopy.OnlyContents(src) {
				return fault.New(fault.Invalid, "cannot resume %s: the VM would learn what else is in %s", src, dst).
					WithHint("name the directory itself, without /.")
			}
		}
	}
	to, err := treecopy.Land(dst, len(srcs))
	if err != nil {
		return copyFault(ctx, hinted(err, dst))
	}
	defer to.Close()
	m := newMeter(o.Progress)
	return g.get(ctx, getting{
		srcs: srcs, o: o, m: m,
		have: func(w *agentrpc.TreeWriter) error { return to.List(ctx, srcs, w) },
		take: func(ctx context.Context, tree *agentrpc.TreeReader, left *notes) error {
			w := treecopy.Writer{Tops: srcs, Counted: m.add, Noted: left.note, SetID: o.SetID, KeepPart: o.Resume}
			return w.Write(ctx, tree, to)
		},
		old: func(s *session, src string) error { return copyOut(ctx, s.files, src, dst, m) },
	})
}

// CopyTo is CopyOut to another guest: the bytes pass through the host, and no
// file of it is touched.
func (g *Guest) CopyTo(ctx context.Context, srcs []string, other *Guest, dst string, o Options) error {
	m := newMeter(o.Progress)
	o.Resume = false
	return g.get(ctx, getting{
		srcs: srcs, o: o, m: m,
		take: func(ctx context.Context, tree *agentrpc.TreeReader, left *notes) error {
			tooOld := func(*session) error { return errTooOld }
			return other.put(ctx, srcs, dst, o, tooOld, func(ctx context.Context, to *agentrpc.TreeWriter, _ []treecopy.Have, _ *notes) error {
				return relay(ctx, tree, to, m, left.note)
			})
		},
		old: func(*session, string) error { return errTooOld },
	})
}

var errTooOld = fault.New(fault.Unavailable, "the agent in the VM is of an older build, which copies only from and to the host").
	WithHint("restart the VM, or copy to the host first")

// StreamIn writes r to a file of the guest, which gets the mode 0644. When dst is
// a directory, r is a tar stream that is unpacked there. It reads
// on after ctx has ended until the Read that is under way returns.
func (g *Guest) StreamIn(ctx context.Context, r io.Reader, dst string, o Options) error {
	m := newMeter(o.Progress)
	unpack, err := g.isDirectory(ctx, dst)
	if err != nil {
		return err
	}
	name, o2 := "stdin", o
	if unpack {
		name = "."
	}
	o2.Resume = false
	old := func(s *session) error { return s.streamIn(ctx, r, dst, m) }
	return g.put(ctx, []string{name}, dst, o2, old, func(ctx context.Context, tree *agentrpc.TreeWriter, _ []treecopy.Have, left *notes) error {
		if unpack {
			return unpackTar(ctx, r, tree, m, left.note)
		}
		return writeStream(tree, &countedReader{ctx: ctx, r: r, name: path.Base(dst), meter: m}, path.Base(dst))
	})
}

// isDirectory asks the guest what dst is. An older agent cannot say.
func (g *Guest) isDirectory(ctx context.Context, dst string) (bool, error) {
	conn, err := g.copy(ctx, agentrpc.CopyRequest{Verb: agentrpc.CopyLook, Path: dst})
	if errors.Is(err, client.ErrNoCopy) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var answer agentrpc.CopyAnswer
	err = agentrpc.ReadLine(bufio.NewReader(conn), &answer)
	return answer.Directory, copyFault(ctx, err)
}

// StreamOut writes the content of a file of the guest to w, or a directory as a
// tar stream.
func (g *Guest) StreamOut(ctx context.Context, src string, w io.Writer, o Options) error {
	m := newMeter(o.Progress)
	o.Resume = false
	return g.get(ctx, getting{
		srcs: []string{src}, o: o, m: m,
		take: func(ctx context.Context, tree *agentrpc.TreeReader, left *notes) error {
			return readStream(tree, src, &countedWriter{ctx: ctx, w: w, name: path.Base(src), meter: m}, left)
		},
		old: func(s *session, src string) error { return s.streamOut(ctx, src, w, m) },
	})
}

// viaSFTP is a copy in the old way.
func (g *Guest) viaSFTP(ctx context.Context, do func(*session) error) error {
	s, err := g.old(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return copyFault(ctx, do(s))
}

func directoryHint(dst string) error {
	return fault.New(fault.Invalid, "%s is a directory, but stdin has no file name", dst).WithHint("give a file name: %s", path.Join(dst, "FILE"))
}
