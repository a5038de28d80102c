package guestfiles

import (
	"path/filepath"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/treecopy"
)

// maxTold bounds the notes of a copy that are told.
const maxTold = 1000

// notes are what a copy left out.
type notes struct {
	tell   func(path, why string) // may be nil
	told   int
	faults int
	first  treecopy.Note
}

func (n *notes) note(left treecopy.Note) error {
	left.Path, left.Why = plain.Line(left.Path, maxMessage), plain.Line(left.Why, maxMessage)
	if left.Fault {
		if n.faults++; n.faults == 1 {
			n.first = left
		}
	}
	if n.tell == nil {
		return nil
	}
	switch n.told++; {
	case n.told < maxTold:
		n.tell(left.Path, left.Why)
	case n.told == maxTold:
		n.tell("…", "there are more notes than are shown")
	}
	return nil
}

// below is note for what is below src.
func (n *notes) below(src string) func(treecopy.Note) error {
	return func(left treecopy.Note) error {
		left.Path = filepath.Join(src, left.Path)
		return n.note(left)
	}
}

// incomplete is the error of a copy that is not whole.
func (n *notes) incomplete() error {
	switch n.faults {
	case 0:
		return nil
	case 1:
		return fault.New(fault.PermissionDenied, "all was copied but %s: %s", n.first.Path, n.first.Why)
	default:
		return fault.New(fault.PermissionDenied, "%d files were not copied; the first is %s: %s", n.faults, n.first.Path, n.first.Why)
	}
}
