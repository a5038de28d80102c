package guestfiles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
)

// getBuffer is what is read ahead of a guest's tree, in bytes.
const getBuffer = 256 << 10

// getting is one copy out of a guest.
type getting struct {
	srcs []string
	o    Options
	m    *meter
	// have sends what the host has of srcs, when the copy is resumed.
	have func(*agentrpc.TreeWriter) error
	// take writes the tree.
	take func(context.Context, *agentrpc.TreeReader, *notes) error
	// old is the way of an older agent, for each source.
	old func(s *session, src string) error
}

// get runs a copy out of the guest.
func (g *Guest) get(ctx context.Context, c getting) error {
	req := agentrpc.CopyRequest{Verb: agentrpc.CopyGet, Paths: c.srcs, Count: c.m.tell != nil, SetID: c.o.SetID, Resume: c.o.Resume}
	conn, err := g.copy(ctx, req)
	if errors.Is(err, client.ErrNoCopy) {
		return g.viaSFTP(ctx, func(s *session) error {
			for _, src := range c.srcs {
				if err := c.old(s, src); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in := bufio.NewReaderSize(conn, getBuffer)
	// Both ways at once: a guest that refuses answers before it has read the list.
	listed := make(chan error, 1)
	go func() {
		if c.o.Resume {
			listed <- c.have(agentrpc.NewTreeWriter(conn))
			return
		}
		listed <- nil
	}()
	var answer agentrpc.CopyAnswer
	if err := agentrpc.ReadLine(in, &answer); err != nil {
		return copyFault(ctx, err)
	}
	if answer.Code != "" {
		return answerFault(answer)
	}
	if err := <-listed; err != nil {
		return copyFault(ctx, err)
	}
	c.m.total = max(answer.Bytes, 0)
	left := &notes{tell: c.o.Left}
	if err := c.take(ctx, agentrpc.NewTreeReader(in), left); err != nil {
		return copyFault(ctx, err)
	}
	return left.incomplete()
}

// readStream writes the content of a tree that is one file, or a directory as a
// tar stream.
func readStream(tree *agentrpc.TreeReader, src string, w io.Writer, left *notes) error {
	if _, err := tree.Next(); err != nil { // the top
		return err
	}
	e, err := tree.Next()
	switch {
	case err != nil:
		return err
	case e.Kind == agentrpc.TreeDir:
		return packTar(tree, e, src, w, left.note)
	case e.Kind != agentrpc.TreePieces:
		return fmt.Errorf("%w: kind %q", agentrpc.ErrTree, byte(e.Kind))
	}
	return readPieces(tree, w, make([]byte, getBuffer))
}

// readPieces writes the content of the present file.
func readPieces(tree *agentrpc.TreeReader, w io.Writer, buf []byte) error {
	for {
		piece, err := tree.Piece()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && piece.Kept {
			err = fmt.Errorf("%w: an odd piece", agentrpc.ErrTree)
		}
		if err != nil {
			return err
		}
		if piece.Hole {
			err = zeros(w, piece.Length, buf)
		} else {
			_, err = io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(tree, piece.Length), buf)
		}
		if err != nil {
			return err
		}
	}
}

func zeros(w io.Writer, n int64, buf []byte) error {
	clear(buf)
	for n > 0 {
		part := buf[:min(int64(len(buf)), n)]
		if _, err := w.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return nil
}
