package gitrepo

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// packTries is how often a work tree is read that changes while it is read.
const packTries = 3

// Pack implements workspace.Git.
func (g *Git) Pack(ctx context.Context, req workspace.PackRequest) (workspace.Parcel, error) {
	for try := 1; ; try++ {
		p := &parcel{git: g, req: req}
		err := p.make(ctx)
		if err == nil {
			return p, nil
		}
		err = errors.Join(err, p.Close(), os.RemoveAll(req.Vault))
		if _, changing := errors.AsType[*changedError](err); !changing || try == packTries {
			return nil, err
		}
	}
}

// parcel implements workspace.Parcel.
type parcel struct {
	git      *Git
	req      workspace.PackRequest
	user     gittree.Git
	scratch  string
	units    []*unit // the first is the work tree, the others are in it
	contents workspace.Contents
}

// Contents implements workspace.Parcel.
func (p *parcel) Contents() workspace.Contents { return p.contents }

// Close implements workspace.Parcel.
func (p *parcel) Close() error {
	if p.scratch == "" {
		return nil
	}
	return os.RemoveAll(p.scratch)
}

func (p *parcel) make(ctx context.Context) (err error) {
	if p.user, err = p.git.host.User(); err != nil {
		return err
	}
	repo, err := p.open(ctx)
	if err != nil {
		return err
	}
	if err := gitvault.Make(ctx, p.git.host, p.req.Vault, repo.Format); err != nil {
		return err
	}
	if p.scratch, err = gitvault.Scratch(p.req.Vault); err != nil {
		return err
	}
	if err := p.add(ctx, repo, ""); err != nil {
		return hostgit.Fault(err, "read %s", repo.Top)
	}
	return p.sum(ctx)
}

// open finds the repository, and whether it may be sent at all.
func (p *parcel) open(ctx context.Context) (gittree.Repo, error) {
	repo, err := gittree.Open(ctx, p.user, p.req.Path)
	if errors.Is(err, gittree.ErrNoRepo) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
		return repo, fault.New(fault.Invalid, "%s is not in a git work tree", p.req.Path).WithHint("make one with git init, or copy any directory: %s", act.VMCopy.Do())
	}
	if errors.Is(err, gittree.ErrPath) {
		return repo, fault.Wrap(fault.Invalid, err, "read %s", p.req.Path).WithHint("rename the directory")
	}
	if err != nil {
		return repo, hostgit.Fault(err, "read %s", p.req.Path)
	}
	return repo, p.checkBranch(ctx, repo)
}

// Check implements workspace.Git.
func (g *Git) Check(ctx context.Context, req workspace.PackRequest) (err error) {
	p := &parcel{git: g, req: req}
	if p.user, err = g.host.User(); err != nil {
		return err
	}
	repo, err := p.open(ctx)
	if err != nil || req.Mode != workspace.Shallow {
		return err
	}
	lines, err := p.user.Lines(ctx, gittree.Cmd{Dir: repo.Top, Args: []string{"ls-files", "-s", "-z"}})
	if err != nil {
		return hostgit.Fault(err, "read %s", repo.Top)
	}
	var links []string
	for _, line := range lines {
		if meta, path, _ := strings.Cut(line, "\t"); strings.HasPrefix(meta, "160000 ") {
			links = append(links, path)
		}
	}
	return refuseSubmodules(repo.Top, links)
}

// refuseSubmodules is for mode shallow, which has no place for them.
func refuseSubmodules(top string, links []string) error {
	if len(links) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s has submodules (%s), which mode shallow does not copy", top, hostgit.SomeOf(links)).
		Try(act.WorkspacePrepare.On("", act.FullCopy))
}

func (p *parcel) checkBranch(ctx context.Context, repo gittree.Repo) error {
	if p.req.Branch == "" {
		return nil
	}
	ref := "refs/heads/" + p.req.Branch
	if err := p.user.Run(ctx, gittree.Cmd{Args: []string{"check-ref-format", ref}}); err != nil || p.req.Branch[0] == '-' {
		return fault.New(fault.Invalid, "branch name %q is not valid", p.req.Branch)
	}
	if p.req.Mode == workspace.Shallow || ref == repo.Branch {
		return nil
	}
	out, err := p.user.Output(ctx, gittree.Cmd{Dir: repo.Top, Args: []string{"rev-parse", "-q", "--verify", ref}})
	if there := strings.TrimSpace(string(out)); err == nil && there != repo.Head {
		return fault.New(fault.Conflict, "branch %s is at %.12s in %s, not at HEAD", p.req.Branch, there, repo.Top).
			WithHint("check it out first, or choose another name")
	}
	return nil
}
