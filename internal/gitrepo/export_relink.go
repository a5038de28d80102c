package gitrepo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/workspace"
)

// relink returns the tree to export against a base: where the base has a
// submodule that nobody has touched in the guest, there is the submodule, and
// not the files that were sent of it.
func relink(ctx context.Context, git gittree.Git, req workspace.WriteRequest) (string, error) {
	base, err := resolve(ctx, git, req.Base)
	if err != nil || req.Sent == "" || base == req.Sent {
		return req.Tree, err
	}
	links, err := gitlinks(ctx, git, base)
	if err != nil || len(links) == 0 {
		return req.Tree, err
	}
	paths := make([]string, len(links))
	for i, l := range links {
		paths[i] = l.path
	}
	sent, err := entriesAt(ctx, git, req.Sent, paths)
	if err != nil {
		return "", err
	}
	now, err := entriesAt(ctx, git, req.Tree, paths)
	if err != nil {
		return "", err
	}
	var untouched strings.Builder
	for _, l := range links {
		if was := sent[l.path]; strings.HasPrefix(was, "040000 tree ") && was == now[l.path] {
			untouched.WriteString("160000 " + l.commit + "\t" + l.path + "\x00")
		}
	}
	if untouched.Len() == 0 {
		return req.Tree, nil
	}
	return replaced(ctx, git, req, untouched.String())
}

// replaced returns the tree with entries in the place of what is at their paths.
func replaced(ctx context.Context, git gittree.Git, req workspace.WriteRequest, entries string) (tree string, err error) {
	dir, err := gitvault.Scratch(req.Vault)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if err := git.Run(ctx, gittree.Cmd{Env: index, Args: []string{"read-tree", req.Tree}}); err != nil {
		return "", err
	}
	c := gittree.Cmd{Env: index, Stdin: strings.NewReader(entries), Args: []string{"update-index", "--add", "--replace", "-z", "--index-info"}}
	if err := git.Run(ctx, c); err != nil {
		return "", err
	}
	out, err := git.Output(ctx, gittree.Cmd{Env: index, Args: []string{"write-tree"}})
	return strings.TrimSpace(string(out)), err
}

// gitlink is a submodule in a tree.
type gitlink struct{ path, commit string }

func gitlinks(ctx context.Context, git gittree.Git, tree string) ([]gitlink, error) {
	var links []gitlink
	lines, err := git.Lines(ctx, gittree.Cmd{Args: []string{"ls-tree", "-r", "-z", "--full-tree", tree}})
	for _, line := range lines {
		meta, path, _ := strings.Cut(line, "\t")
		if commit, ok := strings.CutPrefix(meta, "160000 commit "); ok {
			links = append(links, gitlink{path, commit})
		}
	}
	return links, err
}

// entriesAt returns what a tree has at those of the paths where it has anything:
// mode, kind and name.
func entriesAt(ctx context.Context, git gittree.Git, tree string, paths []string) (map[string]string, error) {
	entries := map[string]string{}
	for some := range slices.Chunk(paths, 100) {
		lines, err := git.Lines(ctx, gittree.Cmd{Args: append([]string{"ls-tree", "-z", "--full-tree", tree, "--"}, some...)})
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			meta, path, _ := strings.Cut(line, "\t")
			entries[path] = meta
		}
	}
	return entries, nil
}
