package guestfiles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/treecopy"
)

// getBuffer is what is read ahead of a guest's tree, in bytes.
const getBuffer = 256 << 10

// get copies src out of the guest: take writes the tree, old is the way of an
// older agent.
func (g *Guest) get(ctx context.Context, src string, m *meter,
	take func(context.Context, *agentrpc.TreeReader, func(treecopy.Note) error) error, old func(*session) error,
) error {
	conn, err := g.copy(ctx, agentrpc.CopyRequest{Verb: agentrpc.CopyGet, Paths: []string{src}, Count: m.tell != nil})
	if errors.Is(err, client.ErrNoCopy) {
		return g.viaSFTP(ctx, old)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in := bufio.NewReaderSize(conn, getBuffer)
	var answer agentrpc.CopyAnswer
	if err := agentrpc.ReadLine(in, &answer); err != nil {
		return copyFault(ctx, err)
	}
	if answer.Code != "" {
		return answerFault(answer)
	}
	m.total = max(answer.Bytes, 0)
	var left notes
	if err := take(ctx, agentrpc.NewTreeReader(in), left.note); err != nil {
		return copyFault(ctx, err)
	}
	return left.incomplete()
}

// readStream writes the content of a tree that is one file.
func readStream(tree *agentrpc.TreeReader, src string, w io.Writer) error {
	if _, err := tree.Next(); err != nil { // the top
		return err
	}
	e, err := tree.Next()
	if err != nil {
		return err
	}
	switch e.Kind {
	case agentrpc.TreePieces:
	case agentrpc.TreeDir:
		return isDirectory(src)
	default:
		return fmt.Errorf("%w: kind %q", agentrpc.ErrTree, byte(e.Kind))
	}
	buf := make([]byte, getBuffer)
	for {
		piece, err := tree.Piece()
		if errors.Is(err, io.EOF) {
			return nil
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
