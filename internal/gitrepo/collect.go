package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
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
	git, err := g.alone(req.Vault)
	if err != nil {
		return workspace.Collected{}, err
	}
	if answer.Snapshot == nil {
		l := &listing{limits: g.limits, git: git, req: req, in: in, out: guest}
		tree, err := l.collect(ctx)
		return workspace.Collected{Tree: tree}, err
	}
	c := &collector{g: g, git: git, req: req, repos: answer.Snapshot.Repos}
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
	return c.result(ctx)
}

// hostile is an answer that a guest's agent should not give.
func hostile(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failure, ok := errors.AsType[*agentrpc.TreeFailure](err); ok {
		return fault.New(fault.Unavailable, "the guest gave up: %s", printable(failure.Message))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.Wrap(fault.Unavailable, err, "the guest was silent for too long")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Unavailable, err, "the guest has broken off")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Unavailable, err, "no space left for what the guest sends")
	}
	// The guest has chosen what is in the text.
	return fault.New(fault.Unavailable, "the guest's answer is not of this protocol: %s", printable(err.Error()))
}

// collector takes over the repositories that a guest's git has read.
type collector struct {
	g     *Git
	git   gittree.Git
	req   workspace.CollectRequest
	repos []agentrpc.WorkspaceRepo
}

func (c *collector) check() error {
	if len(c.repos) == 0 || len(c.repos) > agentrpc.MaxWorkspaceRepos {
		return fmt.Errorf("a snapshot of %d repositories", len(c.repos))
	}
	for i, r := range c.repos {
		if !objectName(r.Tree) || r.Head != "" && !objectName(r.Head) || len(r.Tree) != len(c.repos[0].Tree) {
			return fmt.Errorf("a snapshot of the tree %.80q, commit %.80q", r.Tree, r.Head)
		}
		if r.Branch != "" && !safeRef(r.Branch) {
			return fmt.Errorf("a branch called %.80q", r.Branch)
		}
		if i == 0 != (len(r.Path) == 0) {
			return fmt.Errorf("a repository at %.80q", r.Path)
		}
		if i > 0 {
			if err := checkTreePath(string(r.Path)); err != nil {
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
	if err := c.g.makeVault(ctx, c.req.Vault, format); err != nil || c.req.History || top.Head == "" {
		return err
	}
	return os.WriteFile(filepath.Join(c.req.Vault, "shallow"), []byte(top.Head+"\n"), 0o600)
}

// safeRef accepts names of branches that can be shown and written anywhere.
func safeRef(ref string) bool {
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	return ok && name != "" && len(name) < 200 && name[0] != '-' && !strings.Contains(name, "..") && !strings.Contains(name, "//") &&
		!strings.HasSuffix(name, ".lock") && !strings.HasSuffix(name, "/") && !strings.HasSuffix(name, ".") && !strings.Contains(name, "/.") &&
		name[0] != '.' && name[0] != '/' && !strings.Contains(name, "@{") && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r)
	})
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

func (c *collector) present(ctx context.Context, ids []string) ([]string, error) {
	return presentIn(ctx, c.git, nil, ids)
}

// presentIn returns those of the objects that a vault has.
func presentIn(ctx context.Context, git gittree.Git, env, ids []string) ([]string, error) {
	out, err := git.Output(ctx, gittree.Cmd{
		Env: env, Stdin: strings.NewReader(strings.Join(ids, "\n") + "\n"), Args: []string{"cat-file", "--batch-check=%(objectname)"},
	})
	var have []string
	for line := range strings.Lines(string(out)) {
		if id := strings.TrimSpace(line); objectName(id) {
			have = append(have, id)
		}
	}
	return have, err
}

// take reads one pack into quarantine, checks it, and moves it into the vault.
func (c *collector) take(ctx context.Context, r agentrpc.WorkspaceRepo, in *bufio.Reader) (err error) {
	quarantine, err := scratch(c.req.Vault)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(quarantine)) }()
	packs := filepath.Join(quarantine, "pack")
	for _, dir := range []string{packs, filepath.Join(quarantine, "info")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	objects := filepath.Join(c.req.Vault, "objects")
	if err := os.WriteFile(filepath.Join(quarantine, "info", "alternates"), []byte(objects+"\n"), 0o600); err != nil {
		return err
	}
	env := []string{"GIT_OBJECT_DIRECTORY=" + quarantine}
	if err := c.index(ctx, env, in); err != nil {
		return err
	}
	if err := c.connected(ctx, env, r); err != nil {
		return err
	}
	files, err := os.ReadDir(packs)
	if err != nil {
		return err
	}
	// A pack without an index is not there for git, so the index comes last.
	slices.SortFunc(files, func(a, b os.DirEntry) int { return strings.Compare(filepath.Ext(b.Name()), filepath.Ext(a.Name())) })
	for _, f := range files {
		if err := os.Rename(filepath.Join(packs, f.Name()), filepath.Join(objects, "pack", f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// index lets git read a pack, bounded, and check each object in it.
func (c *collector) index(ctx context.Context, env []string, in *bufio.Reader) error {
	chunks := &agentrpc.ChunkReader{R: in}
	source := &observed{Reader: chunks}
	err := c.git.Run(ctx, gittree.Cmd{
		Env: env, Stdin: source,
		Args: []string{"index-pack", "--strict", "--stdin", fmt.Sprintf("--max-input-size=%d", c.g.limits.PackBytes)},
	})
	if source.err != nil && !errors.Is(source.err, io.EOF) {
		return hostile(ctx, source.err)
	}
	if failure, ok := asGitError(err); ok {
		return fault.New(fault.Unavailable, "what the guest sent is refused: %s", printable(failure.Error()))
	}
	if err != nil {
		return err
	}
	// The pack has ended for git; the sequence of chunks must too.
	if n, err := io.Copy(io.Discard, io.LimitReader(chunks, 1)); err != nil || n > 0 {
		return hostile(ctx, errors.Join(err, errors.New("something follows the pack")))
	}
	return nil
}

// observed keeps the error with which its reader ended.
type observed struct {
	io.Reader
	err error
}

func (o *observed) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	if err != nil {
		o.err = err
	}
	return n, err
}

// connected makes sure that nothing is missing from what arrived.
func (c *collector) connected(ctx context.Context, env []string, r agentrpc.WorkspaceRepo) error {
	var revs strings.Builder
	revs.WriteString(r.Tree + "\n")
	if (c.req.History || c.req.Base == "") && r.Head != "" {
		revs.WriteString(r.Head + "\n")
	}
	known, err := presentIn(ctx, c.git, env, append([]string{strings.Repeat("0", len(r.Tree))}, c.req.Known...))
	if err != nil {
		return err
	}
	for _, id := range known {
		revs.WriteString("^" + id + "\n")
	}
	err = c.git.Run(ctx, gittree.Cmd{Env: env, Stdin: strings.NewReader(revs.String()), Args: []string{"rev-list", "--objects", "--quiet", "--stdin"}})
	if failure, ok := asGitError(err); ok {
		return fault.New(fault.Unavailable, "what the guest sent is not complete: %s", printable(failure.Error()))
	}
	return err
}

func (c *collector) result(ctx context.Context) (workspace.Collected, error) {
	top := c.repos[0]
	out := workspace.Collected{Head: top.Head, Branch: top.Branch}
	parts := make([]part, 0, len(c.repos))
	for _, r := range c.repos {
		parts = append(parts, part{below: string(r.Path), tree: r.Tree})
		elsewhere, err := c.elsewhere(ctx, r)
		if err != nil {
			return out, err
		}
		out.Elsewhere = append(out.Elsewhere, elsewhere...)
	}
	var err error
	out.Tree, err = c.g.combine(ctx, c.req.Vault, parts)
	return out, err
}

// elsewhere names the branches that the guest has commits on, but for those
// that it was sent.
func (c *collector) elsewhere(ctx context.Context, r agentrpc.WorkspaceRepo) ([]string, error) {
	var names, ids []string
	for _, line := range r.Elsewhere {
		ref, id, _ := strings.Cut(line, " ")
		if ref != "refs/stash" && !safeRef(ref) || !objectName(id) || len(ids) == maxElsewhere {
			continue
		}
		names, ids = append(names, strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/")), append(ids, id)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	sent, err := c.present(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, id := range ids {
		if !slices.Contains(sent, id) {
			name := names[i]
			if len(r.Path) > 0 {
				name = printable(string(r.Path)) + ":" + name
			}
			out = append(out, name)
		}
	}
	return out, nil
}

// maxElsewhere bounds the branches that are named.
const maxElsewhere = 100
