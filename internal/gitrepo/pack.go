package gitrepo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
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
	if err := p.git.makeVault(ctx, p.req.Vault, repo.Format); err != nil {
		return err
	}
	if p.scratch, err = scratch(p.req.Vault); err != nil {
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
		return repo, fault.New(fault.Invalid, "%s is in no git work tree", p.req.Path).WithHint("git init makes one; banger vm cp copies any directory")
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
	return fault.New(fault.Invalid, "%s has submodules (%s), which mode shallow does not send", top, hostgit.SomeOf(links)).WithHint("--mode full_copy")
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

// add reads one repository and, in full_copy, those in it.
func (p *parcel) add(ctx context.Context, repo gittree.Repo, below string) error {
	if len(p.units) == agentrpc.MaxWorkspaceRepos {
		return fault.New(fault.Invalid, "%s has more than %d repositories in it", p.req.Path, agentrpc.MaxWorkspaceRepos)
	}
	dir := filepath.Join(p.scratch, hex.EncodeToString([]byte{byte(len(p.units))}))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	snap, err := gittree.Read(ctx, p.user, repo, dir, "")
	if err != nil {
		return err
	}
	u := &unit{below: below, snap: snap}
	p.units = append(p.units, u)
	if err := p.fill(ctx, u); err != nil {
		return err
	}
	for _, complaint := range snap.Unread {
		p.contents.Notes = append(p.contents.Notes, "not all is sent: "+complaint)
	}
	for _, nested := range snap.Nested {
		where := path.Join(below, nested)
		if p.req.Mode == workspace.Shallow {
			p.contents.Notes = append(p.contents.Notes, "the repository "+where+" inside this one is not sent (--mode full_copy sends it)")
			continue
		}
		inner, err := gittree.Open(ctx, p.user, filepath.Join(snap.Top, nested))
		if errors.Is(err, gittree.ErrNoRepo) || err == nil && inner.Top == snap.Top {
			continue
		}
		if err != nil {
			return err
		}
		if inner.Format != repo.Format {
			return fault.New(fault.Invalid, "%s has object format %s, and %s has %s", where, inner.Format, repo.Top, repo.Format)
		}
		if err := p.add(ctx, inner, where); err != nil {
			return err
		}
	}
	return nil
}

// fill makes all of a unit but its nested repositories.
func (p *parcel) fill(ctx context.Context, u *unit) error {
	full, err := gittree.ReadIndex(u.snap.Full, u.snap.Format)
	if err != nil {
		return err
	}
	if p.req.Mode == workspace.Shallow {
		if err := refuseSubmodules(u.snap.Top, full.Gitlinks()); err != nil {
			return err
		}
	}
	staged, writeErr := p.user.Output(ctx, u.snap.OnStaged("write-tree"))
	if u.staged, err = gittree.ReadIndex(u.snap.Staged, u.snap.Format); err != nil {
		return err
	}
	extra := u.markClean(full)
	if tree := strings.TrimSpace(string(staged)); writeErr == nil {
		extra = append(extra, tree)
	} else { // there are conflicts
		u.staged.ForgetTrees()
	}
	modes, err := p.setting(ctx, u, "core.fileMode", "--type=bool")
	if err != nil {
		return err
	}
	if err := u.listFiles(ctx, p.user, full, modes != "false"); err != nil {
		return err
	}
	if u.meta, err = p.readMeta(ctx, u); err != nil {
		return err
	}
	if err := p.noteFilters(ctx, u); err != nil {
		return err
	}
	return p.packObjects(ctx, u, extra)
}

// packObjects puts all objects of a unit into the vault, as one pack.
func (p *parcel) packObjects(ctx context.Context, u *unit, extra []string) error {
	var revs bytes.Buffer
	for _, id := range append(extra, u.snap.Tree, u.snap.Head) {
		if id != "" {
			revs.WriteString(id + "\n")
		}
	}
	args := []string{"rev-list", "--objects", "--stdin"}
	if p.req.Mode == workspace.Shallow {
		args = append(args, "--no-walk")
	} else {
		args = append(args, "--all")
	}
	list := filepath.Join(p.scratch, "objects.list")
	to, err := os.Create(list)
	if err != nil {
		return err
	}
	err = p.user.Run(ctx, gittree.Cmd{Dir: u.snap.Top, Env: u.snap.Environ(), Stdin: &revs, Stdout: to, Args: args})
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	from, err := os.Open(list)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	packs := filepath.Join(p.req.Vault, "objects", "pack")
	out, err := p.user.Output(ctx, gittree.Cmd{
		Dir: u.snap.Top, Env: u.snap.Environ(), Stdin: from,
		Args: []string{"pack-objects", "-q", "--window=0", "--delta-base-offset", filepath.Join(packs, "pack")},
	})
	if err != nil {
		return err
	}
	u.pack = "pack-" + strings.TrimSpace(string(out))
	return nil
}

// sum describes the parcel.
func (p *parcel) sum(ctx context.Context) error {
	top := p.units[0]
	c := &p.contents
	c.Source, c.Format, c.HeadCommit, c.Branch = top.snap.Top, top.snap.Format, top.snap.Head, top.meta.branch
	parts := make([]part, 0, len(p.units))
	for _, u := range p.units {
		parts = append(parts, part{below: u.below, tree: u.snap.Tree})
		for _, f := range u.files {
			c.Files++
			c.Bytes += f.stat.Size
		}
		for _, suffix := range []string{".pack", ".idx"} {
			info, err := os.Stat(p.packFile(u, suffix))
			if err != nil {
				return err
			}
			c.Bytes += info.Size()
		}
	}
	tree, err := p.git.combine(ctx, p.req.Vault, parts)
	c.BaseTree = tree
	return err
}

func (p *parcel) packFile(u *unit, suffix string) string {
	return filepath.Join(p.req.Vault, "objects", "pack", u.pack+suffix)
}
