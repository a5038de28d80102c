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

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
)

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
