package agentrpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A file of kind TreePieces is a sequence of pieces, each with a head of 8 bytes,
// big-endian: the length in bytes, and the highest bit set for a hole, which has no
// data, or the next for what the writer has already, which can only be the first.
// Length 0 ends the file; all bits set void it: a TreeNote says why.
const (
	pieceHead = 8
	holeBit   = 1 << 63
	keptBit   = 1 << 62
	pieceVoid = math.MaxUint64
)

// ErrPieces says that the writer of a file gave it up: the tree goes on.
var ErrPieces = errors.New("the file was given up")

// Piece is a part of a file.
type Piece struct {
	Length int64 // bytes
	Hole   bool  // zeros that are not sent, and take no space
	Kept   bool  // see CopyRequest.Resume
}

// Piece returns the next piece of the present record, having skipped what was
// not read of the one before. Read reads its data. io.EOF after the last;
// ErrPieces when the file is void.
func (t *TreeReader) Piece() (Piece, error) {
	if !t.pieces {
		return Piece{}, io.EOF
	}
	if t.left > 0 {
		if _, err := io.CopyN(io.Discard, t.r, t.left); err != nil {
			return Piece{}, unexpected(err)
		}
		t.left = 0
	}
	var head [pieceHead]byte
	if _, err := io.ReadFull(t.r, head[:]); err != nil {
		return Piece{}, unexpected(err)
	}
	word := binary.BigEndian.Uint64(head[:])
	switch word {
	case 0:
		t.pieces = false
		return Piece{}, io.EOF
	case pieceVoid:
		t.pieces = false
		return Piece{}, ErrPieces
	}
	p := Piece{Length: int64(word &^ (holeBit | keptBit)), Hole: word&holeBit != 0, Kept: word&keptBit != 0}
	if p.Length == 0 || p.Hole && p.Kept {
		return Piece{}, fmt.Errorf("%w: an odd piece", ErrTree)
	}
	if !p.Hole && !p.Kept {
		t.left = p.Length
	}
	return p, nil
}

// Hole writes a piece of length zeros that are not sent.
func (t *TreeWriter) Hole(length int64) error {
	if length == 0 {
		return nil
	}
	return t.pieceHead(uint64(length) | holeBit)
}

// Kept begins a file with length bytes that the writer has already.
func (t *TreeWriter) Kept(length int64) error { return t.pieceHead(uint64(length) | keptBit) }

// leastPiece is the room below which a piece is not begun, in bytes.
const leastPiece = 16 << 10

// Data writes up to length bytes of r as pieces, by large reads, and returns how
// many there were. Fewer is no error: the file ended. A failure of the stream is
// a TreeWriteError.
func (t *TreeWriter) Data(r io.Reader, length int64) (int64, error) {
	var done int64
	for done < length {
		if err := t.room(int(min(length-done, leastPiece)) + pieceHead); err != nil {
			return done, &TreeWriteError{err}
		}
		head := len(t.buf)
		t.buf = t.buf[:head+pieceHead]
		n, err := t.fill(r, length-done)
		if n == 0 {
			t.buf = t.buf[:head]
		} else {
			binary.BigEndian.PutUint64(t.buf[head:], uint64(n))
			done += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// EndPieces ends a file.
func (t *TreeWriter) EndPieces() error { return t.pieceHead(0) }

// VoidPieces gives a file up. A TreeNote should follow.
func (t *TreeWriter) VoidPieces() error { return t.pieceHead(pieceVoid) }

func (t *TreeWriter) pieceHead(word uint64) error {
	if err := t.room(pieceHead); err != nil {
		return err
	}
	t.buf = binary.BigEndian.AppendUint64(t.buf, word)
	return nil
}

// TreeWriteError is a failure of the stream that a tree is written to, and not of
// a file that is read.
type TreeWriteError struct{ Err error }

func (e *TreeWriteError) Error() string { return e.Err.Error() }
func (e *TreeWriteError) Unwrap() error { return e.Err }
