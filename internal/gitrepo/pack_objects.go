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

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/workspace"
)

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
		p.contents.Notes = append(p.contents.Notes, "not everything is copied: "+complaint)
	}
	for _, nested := range snap.Nested {
		where := path.Join(below, nested)
		if p.req.Mode == workspace.Shallow {
			p.contents.Notes = append(p.contents.Notes, "the repository "+where+" inside this one is not copied (mode full_copy copies it)")
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
	parts := make([]gitvault.Part, 0, len(p.units))
	for _, u := range p.units {
		parts = append(parts, gitvault.Part{Below: u.below, Tree: u.snap.Tree})
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
	tree, err := gitvault.Combine(ctx, p.git.host, p.req.Vault, parts)
	c.BaseTree = tree
	return err
}

func (p *parcel) packFile(u *unit, suffix string) string {
	return filepath.Join(p.req.Vault, "objects", "pack", u.pack+suffix)
}
