package guestfiles

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/treecopy"
)

// relay writes the tree that one guest sends for another.
func relay(ctx context.Context, from *agentrpc.TreeReader, to *agentrpc.TreeWriter, m *meter, noted func(treecopy.Note) error) error {
	for {
		e, err := from.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch e.Kind {
		case agentrpc.TreeNote:
			why, readErr := io.ReadAll(from)
			if err = readErr; err == nil {
				err = noted(treecopy.Note{Path: e.Path, Why: string(why), Fault: e.Mode != 1})
			}
		case agentrpc.TreeTop, agentrpc.TreeDir:
			err = to.Entry(e, nil)
		case agentrpc.TreeLink, agentrpc.TreeSame:
			err = to.Entry(e, from)
		case agentrpc.TreePieces:
			if err = to.Entry(e, nil); err == nil {
				err = relayPieces(from, to, &countedReader{ctx: ctx, r: from, name: e.Path, meter: m})
			}
		case agentrpc.TreeFile, agentrpc.TreeListed, agentrpc.TreeEnd, agentrpc.TreeError:
			err = fmt.Errorf("%w: kind %q in a copy", agentrpc.ErrTree, byte(e.Kind))
		}
		if err != nil {
			return err
		}
	}
}

func relayPieces(from *agentrpc.TreeReader, to *agentrpc.TreeWriter, data io.Reader) error {
	for {
		piece, err := from.Piece()
		switch {
		case errors.Is(err, io.EOF):
			return to.EndPieces()
		case errors.Is(err, agentrpc.ErrPieces):
			return to.VoidPieces()
		case err != nil:
			return err
		case piece.Kept:
			return fmt.Errorf("%w: an odd piece", agentrpc.ErrTree)
		case piece.Hole:
			err = to.Hole(piece.Length)
		default:
			_, err = to.Data(data, piece.Length)
		}
		if err != nil {
			return err
		}
	}
}
