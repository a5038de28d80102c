package gitrepo

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

const hintBase = "the head_commit or base_tree of the workspace, a revision of your repository that was sent, or a commit made in the guest"

// shortName is an object name, or the beginning of one that git looks up.
var shortName = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)

// resolve returns the whole name of the commit or tree in a vault that the user
// names. Nothing else is let through to git, for which it could be an option.
func resolve(ctx context.Context, git gittree.Git, base string) (string, error) {
	if gitvault.IsObject(base) {
		return base, nil // whether it is there is found out when it is used
	}
	if !shortName.MatchString(base) {
		return "", fault.New(fault.Invalid, "the base %q is not the hexadecimal name of a commit or tree", base).WithHint(hintBase)
	}
	out, err := git.Output(ctx, gittree.Cmd{Args: []string{"rev-parse", "-q", "--verify", base + "^{object}"}})
	name := strings.TrimSpace(string(out))
	if _, ok := hostgit.AsError(err); ok || err == nil && !gitvault.IsObject(name) {
		return "", notThere(base)
	}
	return name, err
}

// A revision as people write it: nothing that git could take for an option, a
// path or a search. What goes back from a name is at its end.
var (
	revision = regexp.MustCompile(`^[A-Za-z0-9_@][A-Za-z0-9_./@{}~^+-]{0,200}$`)
	goesBack = regexp.MustCompile(`^([^~^]*)((?:[~^][0-9]*)*)$`)
)

// Resolve implements workspace.Git.
func (g *Git) Resolve(ctx context.Context, req workspace.ResolveRequest) (string, error) {
	vault, err := g.host.Vault(req.Vault)
	if err != nil {
		return "", err
	}
	if shortName.MatchString(req.Revision) {
		if id, err := resolve(ctx, vault, req.Revision); !errors.Is(err, fault.NotFound) {
			return id, err
		}
	}
	if !revision.MatchString(req.Revision) || strings.Contains(req.Revision, "..") {
		return "", fault.New(fault.Invalid, "the base %q is not a revision", req.Revision).WithHint(hintBase)
	}
	id, err := g.resolveOnHost(ctx, vault, req)
	if id == "" && err == nil {
		id, err = resolveInGuest(ctx, vault, req)
	}
	if id == "" && err == nil {
		err = notThere(req.Revision)
	}
	return id, err
}

// resolveOnHost asks the user's repository; empty: it knows no such name.
func (g *Git) resolveOnHost(ctx context.Context, vault gittree.Git, req workspace.ResolveRequest) (string, error) {
	if req.Top == "" {
		return "", nil
	}
	user, err := g.host.User()
	if err != nil {
		return "", err
	}
	id, err := parse(ctx, user, req.Top, req.Revision)
	if err != nil || id == "" {
		return "", err
	}
	have, err := gitvault.Present(ctx, vault, nil, []string{id})
	if err == nil && len(have) == 0 { // the guest may mean something else by it
		return "", fault.New(fault.NotFound, "the base %q is %.12s in %s, which was not copied to the guest", req.Revision, id, req.Top).WithHint(hintBase)
	}
	return id, err
}

// resolveInGuest knows the guest's HEAD, by that name and by its branch's.
func resolveInGuest(ctx context.Context, vault gittree.Git, req workspace.ResolveRequest) (string, error) {
	parts := goesBack.FindStringSubmatch(req.Revision)
	if parts == nil || req.Head == "" {
		return "", nil
	}
	switch parts[1] {
	case "HEAD", "@", strings.TrimPrefix(req.Branch, "refs/heads/"):
		return parse(ctx, vault, "", req.Head+parts[2])
	}
	return "", nil
}

// parse returns the object that a revision names; empty: git knows none.
func parse(ctx context.Context, git gittree.Git, dir, revision string) (string, error) {
	out, err := git.Output(ctx, gittree.Cmd{Dir: dir, Args: []string{"rev-parse", "-q", "--verify", "--end-of-options", revision + "^{}"}})
	name := strings.TrimSpace(string(out))
	if _, ok := hostgit.AsError(err); ok || err == nil && !gitvault.IsObject(name) {
		return "", nil
	}
	return name, err
}

func notThere(base string) error {
	return fault.New(fault.NotFound, "the base %q is neither in what was copied to the guest nor in what came back", base).WithHint(hintBase)
}

func unknownBase(err error, base string) error {
	if failure, ok := hostgit.AsError(err); ok && (strings.Contains(failure.Stderr, "bad object") || strings.Contains(failure.Stderr, "unknown revision") ||
		strings.Contains(failure.Stderr, "ambiguous argument") || strings.Contains(failure.Stderr, "not a tree object")) {
		return notThere(base)
	}
	return err
}
