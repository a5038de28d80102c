package hostgit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
)

// Excess makes a fault of an error that says that git came to one of its bounds.
func Excess(err error) error {
	if much, ok := errors.AsType[*gittree.OutputError](err); ok {
		return tooLarge(much, "it has too many files")
	}
	failure, ok := AsError(err)
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
	return fault.New(fault.Invalid, "the work in the guest exceeds the limits for git on the host: %s (%s)", means, Printable(err.Error())).
		WithHint("in the guest, list large or generated files in .git/info/exclude, or copy them: %s", act.VMCopy.Do())
}

// AsError returns git's own failure, if err is one.
func AsError(err error) (*gittree.Error, bool) { return errors.AsType[*gittree.Error](err) }

// Fault makes what git says about the user's repository a fault that the user
// can act on. format says what was being done.
func Fault(err error, format string, args ...any) error {
	failure, ok := AsError(err)
	switch {
	case !ok:
		return err
	case strings.Contains(failure.Stderr, "dubious ownership"):
		_, remedy, _ := strings.Cut(failure.Stderr, "call:")
		return fault.New(fault.PermissionDenied, "%s: it belongs to another user, so git does not trust it", fmt.Sprintf(format, args...)).
			WithHint("%s", strings.TrimSpace(remedy))
	case strings.Contains(failure.Stderr, "promisor remote") || strings.Contains(failure.Stderr, "lazy fetching disabled"):
		return fault.New(fault.Invalid, "%s: it is a partial clone without some of its objects, and banger fetches nothing",
			fmt.Sprintf(format, args...)).WithHint("fetch them: git fetch --refetch --no-filter; or copy only what HEAD needs: %s", act.WorkspacePrepare.On("", act.Shallow))
	case strings.Contains(failure.Stderr, "Permission denied"):
		return fault.Wrap(fault.PermissionDenied, failure, format, args...).
			WithHint("make it readable, or exclude it with a line in .git/info/exclude")
	default:
		return fault.Wrap(fault.Invalid, failure, format, args...)
	}
}
