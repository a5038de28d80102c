package gitapply

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/gitindex"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

// takeOut writes the new files, as git would check them out in the work tree,
// but for filters: the patch may say which of the user's programs runs on what,
// and what is written is what the patch has. Git takes the attributes of a file
// from the work tree first, which has the old ones; so it works in one of its own.
func (a *applying) takeOut(ctx context.Context) error {
	after, err := a.entries()
	if err != nil {
		return err
	}
	var files []string
	for _, p := range a.change.paths {
		if isBlob(after[p]) {
			files = append(files, p)
		}
	}
	if len(files) == 0 {
		return nil
	}
	if err := a.keepAttributes(files, after); err != nil {
		return err
	}
	off, err := a.filtersOff(ctx)
	if err != nil {
		return err
	}
	c := a.snap.OnStaged("checkout-index", "-z", "--stdin")
	c.Dir = a.change.after.Name()
	c.Env = append(append(c.Env, off...), "GIT_DIR="+a.snap.GitDir, "GIT_WORK_TREE="+c.Dir)
	c.Stdin = strings.NewReader(strings.Join(files, "\x00") + "\x00")
	return hostgit.Fault(a.git.Run(ctx, c), "write the files of the patch")
}

// keepAttributes copies the attributes that stay as they are in the work tree and
// are about the files. Those of the patch are in the index.
func (a *applying) keepAttributes(files []string, after map[string]gitindex.Entry) error {
	for _, dir := range parents(files) {
		name := path.Join(dir, ".gitattributes")
		_, changes := slices.BinarySearch(a.change.paths, name)
		if changes || isBlob(after[dir]) || look(a.change.tree, name).kind != isFile {
			continue
		}
		if err := makeDirs(a.change.after, dir); err != nil {
			return err
		}
		if err := copyNode(a.change.tree, name, a.change.after, name); err != nil {
			return a.change.diskFault(err, name)
		}
	}
	return nil
}

// filtersOff is an environment in which none of the filters runs that git is
// configured with for a work tree.
func (a *applying) filtersOff(ctx context.Context) ([]string, error) {
	names, err := a.git.Lines(ctx, gittree.Cmd{Dir: a.req.Top, Args: []string{"config", "-z", "--name-only", "--get-regexp", `^filter\.`}})
	if failure, ok := hostgit.AsError(err); ok && failure.Status == 1 {
		return nil, nil // there is none
	}
	if err != nil {
		return nil, err
	}
	var env []string
	n := 0
	seen := map[string]bool{}
	for _, name := range names {
		driver := name[:strings.LastIndexByte(name, '.')]
		if seen[driver] || driver == "filter" {
			continue
		}
		seen[driver] = true
		for _, setting := range []string{"smudge", "process", "required"} {
			value := ""
			if setting == "required" {
				value = "false"
			}
			env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s.%s", n, driver, setting), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, value))
			n++
		}
	}
	return append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", n)), nil
}
