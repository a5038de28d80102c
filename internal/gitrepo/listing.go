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
	"github.com/bangervm/banger/internal/workspace"
)

// listing makes a tree from what a guest without git has: its files. The host
// decides which of them git would ignore, and asks for those that it lacks.
type listing struct {
	limits Limits
	git    gittree.Git
	req    workspace.CollectRequest
	in     *bufio.Reader
	out    io.Writer

	base   map[string]entry
	listed map[string]entry
	taken  int64 // bytes of files
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
		return "", fault.New(fault.Unavailable, "the guest has no git repository there that its git can read, and none was sent to it").
			WithHint("banger vm workspace prepare sends one; with git in the guest any repository can be exported")
	}
	scratch, err := scratch(l.req.Vault)
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
		if err := checkTreePath(e.Path); err != nil {
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

// forgetUnknown takes no guest's word for an object that the vault lacks.
func (l *listing) forgetUnknown(ctx context.Context) error {
	doubtful := map[string][]string{}
	var ids []string
	for name, e := range l.listed {
		if e.oid != "" && l.base[name].oid != e.oid {
			if doubtful[e.oid] == nil {
				ids = append(ids, e.oid)
			}
			doubtful[e.oid] = append(doubtful[e.oid], name)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	have, err := presentIn(ctx, l.git, nil, ids)
	for _, id := range have {
		delete(doubtful, id)
	}
	for _, names := range doubtful {
		for _, name := range names {
			l.listed[name] = entry{mode: l.listed[name].mode, tracked: l.listed[name].tracked}
		}
	}
	return err
}

// ask gets files into the private work tree.
func (l *listing) ask(ctx context.Context, names []string) error {
	w := bufio.NewWriter(l.out)
	var fresh int
	for _, name := range names {
		if _, err := l.root.Lstat(name); err == nil {
			continue // it has come already
		}
		fresh++
		if err := agentrpc.WriteChunk(w, []byte(name)); err != nil {
			return hostile(ctx, err)
		}
	}
	if fresh == 0 {
		return nil
	}
	if err := errors.Join(agentrpc.WriteChunk(w, nil), w.Flush()); err != nil {
		return hostile(ctx, err)
	}
	return l.take(ctx, fresh)
}

func (l *listing) take(ctx context.Context, most int) error {
	tree := agentrpc.NewTreeReader(l.in)
	for {
		e, err := tree.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return hostile(ctx, err)
		}
		if _, asked := l.listed[e.Path]; !asked || most == 0 {
			return hostile(ctx, fmt.Errorf("%q was not asked for", e.Path))
		}
		most--
		if l.taken += e.Size; l.taken > l.limits.FileBytes || l.taken < 0 {
			return fault.New(fault.Invalid, "the workspace has more than %d MiB of changed files", l.limits.FileBytes>>20)
		}
		if err := l.place(ctx, e, tree); err != nil {
			return err
		}
	}
}

// place writes one file that the guest sent. The root holds it, whatever links
// the guest has sent before.
func (l *listing) place(ctx context.Context, e agentrpc.TreeEntry, data io.Reader) error {
	if err := l.root.MkdirAll(path.Dir(e.Path), 0o700); err != nil {
		return hostile(ctx, err)
	}
	if e.Kind == agentrpc.TreeLink {
		target, err := io.ReadAll(data)
		if err != nil {
			return hostile(ctx, err)
		}
		if err := l.root.Symlink(string(target), e.Path); err != nil {
			return hostile(ctx, err)
		}
		return nil
	}
	if e.Kind != agentrpc.TreeFile {
		return hostile(ctx, fmt.Errorf("%q has no content", e.Path))
	}
	file, err := l.root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(0o600|e.Mode&0o100))
	if err != nil {
		return hostile(ctx, err)
	}
	_, err = io.Copy(file, data)
	if err = errors.Join(err, file.Close()); err != nil {
		return hostile(ctx, err)
	}
	return nil
}

// checkOut puts the unchanged files of this name into the private work tree,
// where git looks for its rules.
func (l *listing) checkOut(ctx context.Context, name string) error {
	for where, e := range l.listed {
		if path.Base(where) != name || e.oid == "" || e.mode == gitindex.ModeSymlink {
			continue
		}
		if err := l.root.MkdirAll(path.Dir(where), 0o700); err != nil {
			return err
		}
		content, err := l.git.Output(ctx, gittree.Cmd{Args: []string{"cat-file", "blob", e.oid}})
		if err != nil {
			return err
		}
		if err := l.root.WriteFile(where, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// here runs git with the private work tree.
func (l *listing) here(args ...string) gittree.Cmd {
	return gittree.Cmd{Dir: l.dir, Env: []string{"GIT_WORK_TREE=" + l.dir}, Args: append([]string{"-c", "core.bare=false"}, args...)}
}

func (l *listing) ignored(ctx context.Context, names []string) (map[string]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	c := l.here("check-ignore", "--no-index", "-z", "--stdin")
	c.Stdin = strings.NewReader(strings.Join(names, "\x00") + "\x00")
	lines, err := l.git.Lines(ctx, c)
	if failure, ok := asGitError(err); ok && failure.Status == 1 { // none is
		err = nil
	}
	ignored := make(map[string]bool, len(lines))
	for _, name := range lines {
		ignored[name] = true
	}
	return ignored, err
}

// write makes the tree: the base, less what is gone, with what is known by
// name, and with the files that came.
func (l *listing) write(ctx context.Context, index string, came []string) (string, error) {
	if err := l.checkOut(ctx, ".gitattributes"); err != nil {
		return "", err
	}
	env := "GIT_INDEX_FILE=" + index
	if err := l.git.Run(ctx, gittree.Cmd{Env: []string{env}, Args: []string{"read-tree", l.req.Base}}); err != nil {
		return "", err
	}
	c := l.here("update-index", "-z", "--index-info")
	c.Env, c.Stdin = append(c.Env, env), strings.NewReader(l.differences())
	if err := l.git.Run(ctx, c); err != nil {
		return "", err
	}
	var names strings.Builder
	for _, name := range came {
		if _, err := l.root.Lstat(name); err == nil { // or it was removed in the meantime
			names.WriteString(name + "\x00")
		}
	}
	c = l.here("update-index", "--add", "--replace", "-z", "--stdin")
	c.Env, c.Stdin = append(c.Env, env), strings.NewReader(names.String())
	if err := l.git.Run(ctx, c); err != nil {
		return "", err
	}
	out, err := l.git.Output(ctx, gittree.Cmd{Env: []string{env}, Args: []string{"write-tree"}})
	return strings.TrimSpace(string(out)), err
}

// differences are the lines for update-index: what is gone first, since a file
// may have become a directory.
func (l *listing) differences() string {
	var gone, known strings.Builder
	for name, e := range l.base {
		now, there := l.listed[name]
		if e.mode == gitindex.ModeGitlink && !there {
			continue // a submodule that was never there
		}
		if !there || now.oid == "" {
			gone.WriteString("0 " + strings.Repeat("0", len(l.req.Base)) + "\t" + name + "\x00")
		}
	}
	for name, e := range l.listed {
		if was := l.base[name]; e.oid != "" && (was.oid != e.oid || was.mode != e.mode) {
			fmt.Fprintf(&known, "%o %s\t%s\x00", e.mode, e.oid, name)
		}
	}
	return gone.String() + known.String()
}
