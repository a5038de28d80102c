package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
)

// take reads one pack into quarantine, checks it, and moves it into the vault.
func (c *collector) take(ctx context.Context, r agentrpc.WorkspaceRepo, in *bufio.Reader) (err error) {
	q, err := gitvault.NewQuarantine(c.git, c.req.Vault)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Remove()) }()
	pack, err := c.spool(ctx, q, in)
	if err != nil {
		return err
	}
	if err := c.index(ctx, q, pack); err != nil {
		return err
	}
	if err := c.connected(ctx, q, r); err != nil {
		return err
	}
	return q.Admit(pack)
}

// spool writes a pack that a guest sends to a file, so that no git waits for a
// guest.
func (c *collector) spool(ctx context.Context, q *gitvault.Quarantine, in *bufio.Reader) (path string, err error) {
	file, err := q.NewPack()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	n, err := io.Copy(file, io.LimitReader(&agentrpc.ChunkReader{R: in}, c.left+1))
	if err != nil {
		return "", hostile(ctx, err)
	}
	if n > c.left {
		return "", fault.New(fault.Invalid, "the guest sends more than %d MiB of new objects", c.left>>20).
			WithHint("in the guest, list large or generated files in .git/info/exclude, or export the work")
	}
	c.left -= n
	return file.Name(), nil
}

// tolerated are complaints about how an object is written, which git's own
// history is full of, and not about what it makes of a work tree.
const tolerated = "badDate=ignore,badDateOverflow=ignore,badEmail=ignore,badFilemode=ignore,badName=ignore,badTimezone=ignore," +
	"emptyName=ignore,missingEmail=ignore,missingNameBeforeEmail=ignore,missingSpaceBeforeDate=ignore,missingSpaceBeforeEmail=ignore," +
	"multipleAuthors=ignore,zeroPaddedDate=ignore,zeroPaddedFilemode=ignore"

// index lets git read a pack and check each object in it.
func (c *collector) index(ctx context.Context, q *gitvault.Quarantine, pack string) error {
	err := q.Git.Run(ctx, gittree.Cmd{Env: q.Env, Args: []string{"index-pack", "--strict=" + tolerated, pack}})
	if err = hostgit.Excess(err); err == nil {
		return nil
	}
	if failure, ok := hostgit.AsError(err); ok {
		return fault.New(fault.Unavailable, "banger refuses what the guest sent: %s", hostgit.Printable(failure.Error()))
	}
	return err
}

// connected makes sure that nothing is missing from what arrived.
func (c *collector) connected(ctx context.Context, q *gitvault.Quarantine, r agentrpc.WorkspaceRepo) error {
	var revs strings.Builder
	revs.WriteString(r.Tree + "\n")
	if (c.req.History || c.req.Base == "") && r.Head != "" {
		revs.WriteString(r.Head + "\n")
	}
	known, err := gitvault.Present(ctx, c.git, q.Env, append([]string{strings.Repeat("0", len(r.Tree))}, c.req.Known...))
	if err != nil {
		return err
	}
	for _, id := range known {
		revs.WriteString("^" + id + "\n")
	}
	err = c.git.Run(ctx, gittree.Cmd{Env: q.Env, Stdin: strings.NewReader(revs.String()), Args: []string{"rev-list", "--objects", "--quiet", "--stdin"}})
	if err = hostgit.Excess(err); err == nil {
		return nil
	}
	if failure, ok := hostgit.AsError(err); ok {
		return fault.New(fault.Unavailable, "what the guest sent is incomplete: %s", hostgit.Printable(failure.Error()))
	}
	return err
}

func (c *collector) present(ctx context.Context, ids []string) ([]string, error) {
	return gitvault.Present(ctx, c.git, nil, ids)
}
