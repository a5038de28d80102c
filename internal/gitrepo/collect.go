package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/workspace"
)

// Collect implements workspace.Git.
func (g *Git) Collect(ctx context.Context, guest io.ReadWriter, req workspace.CollectRequest) (workspace.Collected, error) {
	in := bufio.NewReaderSize(guest, 64<<10)
	var answer agentrpc.WorkspaceAnswer
	if err := agentrpc.ReadLine(in, &answer); err != nil {
		return workspace.Collected{}, hostile(ctx, err)
	}
	if err := refusal(answer); err != nil {
		return workspace.Collected{}, err
	}
	git, err := g.host.Vault(req.Vault)
	if err != nil {
		return workspace.Collected{}, err
	}
	room, err := g.room(req)
	if err != nil {
		return workspace.Collected{}, err
	}
	if answer.Snapshot == nil {
		limits := g.host.Limits
		limits.FileBytes = min(limits.FileBytes, room)
		l := &listing{limits: limits, git: git, req: req, in: in, out: guest, made: map[string]bool{}}
		tree, err := l.collect(ctx)
		got := workspace.Collected{Tree: tree}
		if answer.Message != "" {
			got.Notes = []string{"git in the guest cannot read the repository, so banger compared its files and does not see its commits: " +
				hostgit.Printable(answer.Message)}
			got.Elsewhere.Unread = true
		}
		return got, err
	}
	c := &collector{g: g, git: git, req: req, repos: answer.Snapshot.Repos, left: room}
	if err := c.check(); err != nil {
		return workspace.Collected{}, hostile(ctx, err)
	}
	if req.Base == "" {
		if err := c.begin(ctx); err != nil {
			return workspace.Collected{}, err
		}
	}
	if err := c.fetch(ctx, in, guest); err != nil {
		return workspace.Collected{}, err
	}
	got, err := c.result(ctx)
	if answer.Message != "" {
		got.Notes = append(got.Notes, "git in the guest left something out: "+hostgit.Printable(answer.Message))
	}
	return got, err
}

// hostile is an answer that a guest's agent should not give.
func hostile(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failure, ok := errors.AsType[*agentrpc.TreeFailure](err); ok {
		return fault.New(fault.Unavailable, "the guest gave up: %s", hostgit.Printable(failure.Message))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(fault.Unavailable, err, "the guest was silent for too long")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Unavailable, err, "the guest ended the connection")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Unavailable, err, "no space left for the guest's data")
	}
	// The guest has chosen what is in the text.
	return fault.New(fault.Unavailable, "the guest's answer does not follow the protocol: %s", hostgit.Printable(err.Error()))
}

// collector takes over the repositories that a guest's git has read.
type collector struct {
	g     *Git
	git   gittree.Git
	req   workspace.CollectRequest
	repos []agentrpc.WorkspaceRepo
	left  int64 // how many bytes of objects may still come
}

// room is how many bytes of objects one transfer may bring.
func (g *Git) room(req workspace.CollectRequest) (int64, error) {
	most := g.host.Limits.VaultBytes
	if req.MaxBytes > 0 {
		most = min(most, req.MaxBytes)
	}
	held, err := gitvault.GuestBytes(req.Vault)
	return max(0, min(most-held, g.host.Limits.PackBytes)), err
}

func (c *collector) check() error {
	if len(c.repos) == 0 || len(c.repos) > agentrpc.MaxWorkspaceRepos {
		return fmt.Errorf("a snapshot of %d repositories", len(c.repos))
	}
	for i, r := range c.repos {
		if !gitvault.IsObject(r.Tree) || r.Head != "" && !gitvault.IsObject(r.Head) || len(r.Tree) != len(c.repos[0].Tree) {
			return fmt.Errorf("a snapshot of the tree %.80q, commit %.80q", r.Tree, r.Head)
		}
		if r.Branch != "" && !validRef(r.Branch) {
			return fmt.Errorf("a branch called %.80q", r.Branch)
		}
		if i == 0 != (len(r.Path) == 0) {
			return fmt.Errorf("a repository at %.80q", r.Path)
		}
		if i > 0 {
			if err := gitvault.CheckTreePath(string(r.Path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin makes the vault for a work tree that was never sent. Unless the
// history is wanted, the guest's HEAD is where it begins.
func (c *collector) begin(ctx context.Context) error {
	top := c.repos[0]
	format := "sha1"
	if len(top.Tree) == 64 {
		format = "sha256"
	}
	if err := gitvault.Make(ctx, c.g.host, c.req.Vault, format); err != nil || c.req.History || top.Head == "" {
		return err
	}
	return os.WriteFile(filepath.Join(c.req.Vault, "shallow"), []byte(top.Head+"\n"), 0o600)
}

// safeRef accepts names of branches that can be shown and written anywhere.
func safeRef(ref string) bool {
	return validRef(ref) && !strings.ContainsFunc(ref, func(r rune) bool { return !plain.Shows(r) })
}

// validRef accepts what git does as the name of a branch, if it is not long.
func validRef(ref string) bool {
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok || len(name) >= 200 || strings.HasPrefix(name, "-") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "@{") {
		return false
	}
	for component := range strings.SplitSeq(name, "/") {
		if component == "" || component[0] == '.' || strings.HasSuffix(component, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) })
}

// fetch asks for what the vault lacks, and takes it in.
func (c *collector) fetch(ctx context.Context, in *bufio.Reader, out io.Writer) error {
	want := agentrpc.WorkspaceWant{History: c.req.History, HeadOnly: c.req.Base == "" && !c.req.History}
	for _, r := range c.repos {
		ids := []string{r.Tree}
		if (want.History || want.HeadOnly) && r.Head != "" {
			ids = append(ids, r.Head)
		}
		have, err := c.present(ctx, ids)
		if err != nil {
			return err
		}
		if len(have) < len(ids) {
			want.Packs = true
		}
	}
	if want.Packs {
		for _, id := range c.req.Known {
			if id != "" {
				want.Have = append(want.Have, id)
			}
		}
	}
	if err := agentrpc.WriteLine(out, want); err != nil {
		return hostile(ctx, err)
	}
	if !want.Packs {
		return nil
	}
	for _, r := range c.repos {
		if err := c.take(ctx, r, in); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) result(ctx context.Context) (workspace.Collected, error) {
	top := c.repos[0]
	out := workspace.Collected{Head: top.Head, Branch: top.Branch}
	if !safeRef(top.Branch) { // it cannot be shown as it is
		out.Branch = ""
	}
	parts := make([]gitvault.Part, 0, len(c.repos))
	for _, r := range c.repos {
		parts = append(parts, gitvault.Part{Below: string(r.Path), Tree: r.Tree})
		if err := c.elsewhere(ctx, r, &out.Elsewhere); err != nil {
			return out, err
		}
	}
	var err error
	out.Tree, err = gitvault.Combine(ctx, c.g.host, c.req.Vault, parts)
	return out, err
}
