package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// diffArgs make one diff of all that git keeps, for `git apply`.
func diffArgs(renames string) []string {
	return []string{"diff-tree", "-r", renames, "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"}
}

// Diff implements workspace.Git. A path that no patch may have is a fault.
func (g *Git) Diff(ctx context.Context, req workspace.WriteRequest) ([]workspace.File, error) {
	git, err := g.host.Vault(req.Vault)
	if err != nil {
		return nil, err
	}
	base, err := resolve(ctx, git, req.Base)
	if err != nil {
		return nil, err
	}
	to, err := relink(ctx, git, req)
	if err != nil {
		return nil, unknownBase(hostgit.Excess(err), req.Base)
	}
	if err := g.fits(ctx, req.Vault, base, to); err != nil {
		return nil, unknownBase(err, req.Base)
	}
	how, err := renames(ctx, git, "", base, to)
	if err != nil {
		return nil, hostgit.Excess(err)
	}
	out, err := git.Output(ctx, gittree.Cmd{Args: append(diffArgs(how), "-z", "--raw", "--numstat", base, to)})
	if err != nil {
		return nil, hostgit.Excess(err)
	}
	return parseDiff(gittree.Split(out))
}

// fits refuses a change of too many files before anything lists them. A tree can
// have more files than any disk, in a few hundred bytes.
func (g *Git) fits(ctx context.Context, vault, from, to string) error {
	n, err := g.Count(ctx, vault, from, to)
	if err == nil && n >= g.host.Limits.Files {
		err = fault.New(fault.Invalid, "more than %d files differ", g.host.Limits.Files).WithHint("remove generated files in the guest, or ignore them")
	}
	return err
}

// Count implements workspace.Git. Only trees are compared: no file is read.
func (g *Git) Count(ctx context.Context, vault, from, to string) (int, error) {
	git, err := g.host.Vault(vault)
	if err != nil {
		return 0, err
	}
	count := counter{most: 2 * g.host.Limits.Files} // a name and a path for each
	err = git.Run(ctx, gittree.Cmd{Stdout: &count, Args: []string{"diff-tree", "-r", "-z", "--no-renames", "--raw", from, to}})
	if count.items < count.most && err != nil {
		return 0, hostgit.Excess(err)
	}
	return count.items / 2, nil
}

// counter counts items that end in a zero byte, and fails at the last of most.
type counter struct{ items, most int }

func (c *counter) Write(p []byte) (int, error) {
	if c.items += bytes.Count(p, []byte{0}); c.items >= c.most {
		c.items = c.most
		return 0, errors.New("enough")
	}
	return len(p), nil
}

// diffOutput reads what diff-tree printed, item by item.
type diffOutput struct{ items []string }

func (d *diffOutput) next() (string, error) {
	if len(d.items) == 0 {
		return "", errors.New("git diff-tree: the output ends early")
	}
	item := d.items[0]
	d.items = d.items[1:]
	return item, nil
}

// parseDiff reads the output of diff-tree -z --raw --numstat: first all files
// with their status, then all with their numbers, in the same order.
func parseDiff(items []string) ([]workspace.File, error) {
	var files []workspace.File
	out := &diffOutput{items}
	for len(out.items) > 0 && strings.HasPrefix(out.items[0], ":") {
		f, err := out.change()
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	for n := range files {
		if err := out.numbers(&files[n]); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// change reads a file with its status.
func (d *diffOutput) change() (f workspace.File, err error) {
	var read [2]string
	for i := range read {
		if read[i], err = d.next(); err != nil {
			return f, err
		}
	}
	meta, path := strings.Fields(read[0]), read[1]
	if len(meta) != 5 {
		return f, fmt.Errorf("git diff-tree: %q is not a change", strings.Join(meta, " "))
	}
	f = workspace.File{Path: path, Status: statusName(meta[4]), Mode: modeName(meta[1]), OldMode: modeName(strings.TrimPrefix(meta[0], ":"))}
	if f.Status == "renamed" || f.Status == "copied" {
		f.From = path
		if f.Path, err = d.next(); err != nil {
			return f, err
		}
	}
	for _, p := range []string{f.Path, f.From} {
		if err := gitvault.CheckTreePath(p); p != "" && err != nil {
			return f, err
		}
	}
	return f, nil
}

// numbers reads how much of a file changed.
func (d *diffOutput) numbers(f *workspace.File) error {
	numbers, err := d.next()
	if err != nil {
		return err
	}
	parts := strings.SplitN(numbers, "\t", 3)
	if len(parts) != 3 {
		return fmt.Errorf("git diff-tree: %q are not numbers", numbers)
	}
	if parts[2] == "" { // a rename: both paths follow
		for range 2 {
			if _, err := d.next(); err != nil {
				return err
			}
		}
	}
	f.Binary = parts[0] == "-"
	f.Insertions, _ = strconv.ParseInt(parts[0], 10, 64)
	f.Deletions, _ = strconv.ParseInt(parts[1], 10, 64)
	return nil
}

// modeName is empty for what is not there.
func modeName(mode string) string {
	if mode == "000000" {
		return ""
	}
	return mode
}

func statusName(letter string) string {
	switch letter[:1] {
	case "A":
		return "added"
	case "D":
		return "deleted"
	case "R":
		return "renamed"
	case "C":
		return "copied"
	case "T":
		return "type_changed"
	default:
		return "modified"
	}
}
