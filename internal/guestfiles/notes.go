package guestfiles

import (
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/treecopy"
)

// notes are what a copy left out.
type notes struct {
	faults int
	first  treecopy.Note
}

func (n *notes) note(left treecopy.Note) error {
	if !left.Fault {
		return nil
	}
	if n.faults++; n.faults == 1 {
		n.first = left
	}
	return nil
}

// incomplete is the error of a copy that is not whole.
func (n *notes) incomplete() error {
	switch n.faults {
	case 0:
		return nil
	case 1:
		return fault.New(fault.PermissionDenied, "all was copied but %s: %s", plain.Line(n.first.Path, maxMessage), plain.Line(n.first.Why, maxMessage))
	default:
		return fault.New(fault.PermissionDenied, "%d files were not copied; the first is %s: %s", n.faults,
			plain.Line(n.first.Path, maxMessage), plain.Line(n.first.Why, maxMessage))
	}
}
