package gitrepo

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/bangervm/banger/internal/gitindex"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
)

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
	have, err := gitvault.Present(ctx, l.git, nil, ids)
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

// here runs git with the private work tree.
func (l *listing) here(args ...string) gittree.Cmd {
	return gittree.Cmd{Dir: l.dir, Env: []string{"GIT_WORK_TREE=" + l.dir}, Args: append([]string{"-c", "core.bare=false"}, args...)}
}

func (l *listing) ignored(ctx context.Context, names []string) (map[string]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	c := l.here("check-ignore", "--no-index", "-z", "--stdin")
	c.Stdin = &nameList{names: names}
	lines, err := l.git.Lines(ctx, c)
	if failure, ok := hostgit.AsError(err); ok && failure.Status == 1 { // none is
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

// nameList reads as names, each with a zero byte at its end. All of them as one
// text would be in memory once more.
type nameList struct {
	names []string
	rest  string
}

func (r *nameList) Read(p []byte) (int, error) {
	if r.rest == "" {
		if len(r.names) == 0 {
			return 0, io.EOF
		}
		r.rest, r.names = r.names[0]+"\x00", r.names[1:]
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
