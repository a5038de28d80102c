package gitrepo

import (
	"context"
	"regexp"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
)

const hintBase = "the head_commit or base_tree of the workspace, or a commit made in the guest"

// shortName is an object name, or the beginning of one that git looks up.
var shortName = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)

// resolve returns the whole name of the commit or tree in a vault that the user
// names. Nothing else is let through to git, for which it could be an option.
func resolve(ctx context.Context, git gittree.Git, base string) (string, error) {
	if objectName(base) {
		return base, nil // whether it is there is found out when it is used
	}
	if !shortName.MatchString(base) {
		return "", fault.New(fault.Invalid, "the base %q is not the hexadecimal name of a commit or tree", base).WithHint(hintBase)
	}
	out, err := git.Output(ctx, gittree.Cmd{Args: []string{"rev-parse", "-q", "--verify", base + "^{object}"}})
	name := strings.TrimSpace(string(out))
	if _, ok := asGitError(err); ok || err == nil && !objectName(name) {
		return "", notThere(base)
	}
	return name, err
}

func notThere(base string) error {
	return fault.New(fault.NotFound, "the base %q is neither in what was sent nor in what came back", base).WithHint(hintBase)
}

func unknownBase(err error, base string) error {
	if failure, ok := asGitError(err); ok && (strings.Contains(failure.Stderr, "bad object") || strings.Contains(failure.Stderr, "unknown revision") ||
		strings.Contains(failure.Stderr, "ambiguous argument")) {
		return notThere(base)
	}
	return err
}
