package gitrepo

import (
	"errors"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
)

// excess makes a fault of an error that says that git came to one of its bounds.
func excess(err error) error {
	if much, ok := errors.AsType[*gittree.OutputError](err); ok {
		return tooLarge(much, "it has too many files")
	}
	failure, ok := errors.AsType[*gittree.Error](err)
	if !ok {
		return err
	}
	said := failure.Error()
	for _, bound := range []struct{ said, means string }{
		{"signal: CPU time limit exceeded", "it takes too long to compare"},
		{"signal: file size limit exceeded", "the result is too large"},
		{"attempting to allocate", "it has a file that is too large"},
		{"ut of memory", "it needs too much memory"},
		{"Cannot allocate memory", "it needs too much memory"},
		{"patch too large", "the patch is too large"},
	} {
		if strings.Contains(said, bound.said) {
			return tooLarge(failure, bound.means)
		}
	}
	return err
}

func tooLarge(err error, means string) error {
	return fault.New(fault.Invalid, "the work in the guest is more than git on the host may handle: %s (%s)", means, printable(err.Error())).
		WithHint("in the guest, list large or generated files in .git/info/exclude, or export them with banger vm cp")
}
