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

// CopyIn copies the host's file or directory src, with modes, times and
// links, to dst, or into dst if that is a directory. "DIR/." as src
// means what is in DIR. Progress, which may be nil, is told of it. The copy
// ends with ctx; of a directory, what was copied by then stays.
func (g *Guest) CopyIn(ctx context.Context, src, dst string, progress Progress) error {
	if err := treecopy.Check(src); err != nil {
		return copyFault(ctx, err)
	}
	m := newMeter(progress)
	if progress != nil {
		m.total = treecopy.Bytes(src)
	}
	conn, err := g.copy(ctx, agentrpc.CopyRequest{Verb: agentrpc.CopyPut, Path: dst, Sources: 1})
	if errors.Is(err, client.ErrNoCopy) {
		return g.viaSFTP(ctx, func(s *session) error { return s.copyIn(ctx, src, dst, m) })
	}
	if err != nil {
		return err
	}
	p := &putting{conn: conn, dst: dst}
	return p.run(ctx, func(ctx context.Context, tree *agentrpc.TreeWriter) error {
		r := treecopy.Reader{W: tree, Counted: m.add, Noted: p.note}
		return r.Read(ctx, src)
	})
}

// CopyOut is CopyIn from the guest to the host. Nothing is written outside the
// directory in which dst is, whatever links the guest makes up.
func (g *Guest) CopyOut(ctx context.Context, src, dst string, progress Progress) error {
	to, err := treecopy.Land(dst, 1)
	if err != nil {
		return copyFault(ctx, hinted(err, dst))
	}
	defer to.Close()
	m := newMeter(progress)
	return g.get(ctx, src, m, func(ctx context.Context, tree *agentrpc.TreeReader, noted func(treecopy.Note) error) error {
		w := treecopy.Writer{Tops: []string{src}, Counted: m.add, Noted: noted}
		return w.Write(ctx, tree, to)
	}, func(s *session) error { return copyOut(ctx, s.files, src, dst, m) })
}

// StreamIn writes r to a file of the guest, which gets the mode 0644. It reads
// on after ctx has ended until the Read that is under way returns.
func (g *Guest) StreamIn(ctx context.Context, r io.Reader, dst string, progress Progress) error {
	m := newMeter(progress)
	conn, err := g.copy(ctx, agentrpc.CopyRequest{Verb: agentrpc.CopyPut, Path: dst, Sources: 1, File: true})
	if errors.Is(err, client.ErrNoCopy) {
		return g.viaSFTP(ctx, func(s *session) error { return s.streamIn(ctx, r, dst, m) })
	}
	if err != nil {
		return err
	}
	p := &putting{conn: conn, dst: dst}
	return p.run(ctx, func(ctx context.Context, tree *agentrpc.TreeWriter) error {
		return writeStream(tree, &countedReader{ctx: ctx, r: r, name: path.Base(dst), meter: m}, path.Base(dst))
	})
}

// StreamOut writes the content of a file of the guest to w.
func (g *Guest) StreamOut(ctx context.Context, src string, w io.Writer, progress Progress) error {
	m := newMeter(progress)
	return g.get(ctx, src, m, func(ctx context.Context, tree *agentrpc.TreeReader, _ func(treecopy.Note) error) error {
		return readStream(tree, src, &countedWriter{ctx: ctx, w: w, name: path.Base(src), meter: m})
	}, func(s *session) error { return s.streamOut(ctx, src, w, m) })
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
