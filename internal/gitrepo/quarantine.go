package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/ids"
)

// take reads one pack into quarantine, checks it, and moves it into the vault.
func (c *collector) take(ctx context.Context, r agentrpc.WorkspaceRepo, in *bufio.Reader) (err error) {
	q, err := newQuarantine(c.git, c.req.Vault)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.remove()) }()
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
	// A pack without an index is not there for git, so the index comes last.
	into := filepath.Join(c.req.Vault, "objects", "pack")
	for _, ext := range []string{".rev", ".pack", ".idx"} {
		from := strings.TrimSuffix(pack, ".pack") + ext
		err := os.Rename(from, filepath.Join(into, filepath.Base(from)))
		if err != nil && (ext != ".rev" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

// spool writes a pack that a guest sends to a file, so that no git waits for a
// guest.
func (c *collector) spool(ctx context.Context, q *quarantine, in *bufio.Reader) (path string, err error) {
	path = filepath.Join(q.objects, "pack", guestPack+"-"+ids.New()+".pack")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
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
	return path, nil
}

// tolerated are complaints about how an object is written, which git's own
// history is full of, and not about what it makes of a work tree.
const tolerated = "badDate=ignore,badDateOverflow=ignore,badEmail=ignore,badFilemode=ignore,badName=ignore,badTimezone=ignore," +
	"emptyName=ignore,missingEmail=ignore,missingNameBeforeEmail=ignore,missingSpaceBeforeDate=ignore,missingSpaceBeforeEmail=ignore," +
	"multipleAuthors=ignore,zeroPaddedDate=ignore,zeroPaddedFilemode=ignore"

// index lets git read a pack and check each object in it.
func (c *collector) index(ctx context.Context, q *quarantine, pack string) error {
	err := q.git.Run(ctx, gittree.Cmd{Env: q.env, Args: []string{"index-pack", "--strict=" + tolerated, pack}})
	if err = hostgit.Excess(err); err == nil {
		return nil
	}
	if failure, ok := hostgit.AsError(err); ok {
		return fault.New(fault.Unavailable, "what the guest sent is refused: %s", hostgit.Printable(failure.Error()))
	}
	return err
}

// connected makes sure that nothing is missing from what arrived.
func (c *collector) connected(ctx context.Context, q *quarantine, r agentrpc.WorkspaceRepo) error {
	var revs strings.Builder
	revs.WriteString(r.Tree + "\n")
	if (c.req.History || c.req.Base == "") && r.Head != "" {
		revs.WriteString(r.Head + "\n")
	}
	known, err := presentIn(ctx, c.git, q.env, append([]string{strings.Repeat("0", len(r.Tree))}, c.req.Known...))
	if err != nil {
		return err
	}
	for _, id := range known {
		revs.WriteString("^" + id + "\n")
	}
	err = c.git.Run(ctx, gittree.Cmd{Env: q.env, Stdin: strings.NewReader(revs.String()), Args: []string{"rev-list", "--objects", "--quiet", "--stdin"}})
	if err = hostgit.Excess(err); err == nil {
		return nil
	}
	if failure, ok := hostgit.AsError(err); ok {
		return fault.New(fault.Unavailable, "what the guest sent is not complete: %s", hostgit.Printable(failure.Error()))
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

// quarantine is a directory of objects that a vault does not have, and sees
// those that it has.
type quarantine struct {
	git     gittree.Git
	dir     string
	objects string
	env     []string
}

// newQuarantine makes an empty one beside the vault. Remove it.
func newQuarantine(git gittree.Git, vault string) (*quarantine, error) {
	dir, err := scratch(vault)
	if err != nil {
		return nil, err
	}
	q := &quarantine{git: git, dir: dir, objects: filepath.Join(dir, "objects")}
	q.env = []string{"GIT_OBJECT_DIRECTORY=" + q.objects, "GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	for _, below := range []string{"pack", "info"} {
		if err := os.MkdirAll(filepath.Join(q.objects, below), 0o700); err != nil {
			return nil, errors.Join(err, q.remove())
		}
	}
	alternates := filepath.Join(q.objects, "info", "alternates")
	if err := os.WriteFile(alternates, []byte(filepath.Join(vault, "objects")+"\n"), 0o600); err != nil {
		return nil, errors.Join(err, q.remove())
	}
	return q, nil
}

func (q *quarantine) remove() error { return os.RemoveAll(q.dir) }

// line is what git prints on one line.
func (q *quarantine) line(ctx context.Context, args ...string) (string, error) {
	out, err := q.git.Output(ctx, gittree.Cmd{Env: q.env, Args: args})
	return strings.TrimSpace(string(out)), err
}
