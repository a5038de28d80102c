package gitrepo

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitindex"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// listing makes a tree from what a guest without git has: its files. The host
// decides which of them git would ignore, and asks for those that it lacks.
type listing struct {
	limits hostgit.Limits
	git    gittree.Git
	req    workspace.CollectRequest
	in     *bufio.Reader
	out    io.Writer

	base   map[string]entry
	listed map[string]entry
	taken  int64 // bytes that were written
	made   map[string]bool
	dir    string
	root   *os.Root
}

// entry is a file of a tree. An empty oid is not known; tracked: the guest's
// index has it, as it is or otherwise.
type entry struct {
	mode    uint32
	oid     string
	tracked bool
}

func (l *listing) collect(ctx context.Context) (tree string, err error) {
	if l.req.Base == "" {
		return "", fault.New(fault.Unavailable, "the guest has no git repository there that its git can read, and none was copied to it")
	}
	scratch, err := gitvault.Scratch(l.req.Vault)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	l.dir = filepath.Join(scratch, "tree")
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		return "", err
	}
	if l.root, err = os.OpenRoot(l.dir); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.root.Close()) }()
	if l.base, err = l.readBase(ctx); err != nil {
		return "", err
	}
	if err := l.readList(ctx); err != nil {
		return "", err
	}
	missing, err := l.missing(ctx)
	if err != nil {
		return "", err
	}
	if err := l.ask(ctx, missing); err != nil {
		return "", err
	}
	if err := agentrpc.WriteChunk(l.out, nil); err != nil { // that was all
		return "", hostile(ctx, err)
	}
	return l.write(ctx, filepath.Join(scratch, "index"), missing)
}

func (l *listing) readBase(ctx context.Context) (map[string]entry, error) {
	lines, err := l.git.Lines(ctx, gittree.Cmd{Args: []string{"ls-tree", "-r", "-z", "--full-tree", l.req.Base}})
	base := make(map[string]entry, len(lines))
	for _, line := range lines {
		var mode uint32
		var kind, oid string
		meta, name, _ := strings.Cut(line, "\t")
		if _, err := fmt.Sscanf(meta, "%o %s %s", &mode, &kind, &oid); err != nil {
			return nil, fmt.Errorf("git ls-tree says %q: %w", line, err)
		}
		base[name] = entry{mode: mode, oid: oid}
	}
	return base, err
}

func (l *listing) readList(ctx context.Context) error {
	l.listed = map[string]entry{}
	tree := agentrpc.NewTreeReader(l.in)
	var paths int64
	for n := 0; ; n++ {
		e, err := tree.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return hostile(ctx, err)
		}
		if e.Kind != agentrpc.TreeListed || e.Mode != gitindex.ModeFile && e.Mode != gitindex.ModeExecutable && e.Mode != gitindex.ModeSymlink {
			return hostile(ctx, fmt.Errorf("%q is listed with mode %o", e.Path, e.Mode))
		}
		if n == l.limits.Files {
			return fault.New(fault.Invalid, "the workspace has more than %d files", l.limits.Files)
		}
		if paths += int64(len(e.Path)); paths > l.limits.PathBytes {
			return fault.New(fault.Invalid, "the names of the workspace's files have more than %d MiB", l.limits.PathBytes>>20)
		}
		if err := gitvault.CheckTreePath(e.Path); err != nil {
			return err
		}
		known := entry{mode: e.Mode, tracked: e.Tracked()}
		if e.Known() && len(e.OID)*2 == len(l.req.Base) {
			known.oid = hex.EncodeToString([]byte(e.OID))
		}
		l.listed[e.Path] = known
	}
}

// missing are the files whose content the host must have: those that are not
// as git last knew them, and that it does not ignore.
func (l *listing) missing(ctx context.Context) ([]string, error) {
	if err := l.forgetUnknown(ctx); err != nil {
		return nil, err
	}
	var changed, untracked, rules []string
	for name, e := range l.listed {
		tracked := l.tracked(name)
		switch {
		case path.Base(name) == ".gitignore" && e.oid == "":
			rules = append(rules, name)
		case e.oid != "":
		case tracked:
			changed = append(changed, name)
		default:
			untracked = append(untracked, name)
		}
	}
	if err := l.ask(ctx, rules); err != nil {
		return nil, err
	}
	if err := l.checkOut(ctx, ".gitignore"); err != nil {
		return nil, err
	}
	ignored, err := l.ignored(ctx, append(untracked, rules...))
	if err != nil {
		return nil, err
	}
	for _, name := range rules {
		if l.tracked(name) || !ignored[name] {
			changed = append(changed, name)
		}
	}
	for _, name := range untracked {
		if !ignored[name] {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// tracked reports whether a listed file counts though git ignores it: it was
// sent, or the guest's index has it.
func (l *listing) tracked(name string) bool {
	_, sent := l.base[name]
	return sent || l.listed[name].tracked
}
