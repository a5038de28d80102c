package gittree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/gitindex"
)

// Repo is where a work tree and what belongs to it are. Paths are absolute.
type Repo struct {
	Top       string // the work tree
	Index     string
	Objects   string
	CommonDir string // the .git that linked work trees share
	GitDir    string // this work tree's own
	Format    string // "sha1" or "sha256"
	Head      string // commit; empty before the first
	Branch    string // refs/heads/…; empty: detached
}

// ErrNoRepo says that a directory is in no git work tree.
var ErrNoRepo = errors.New("not a git work tree")

// ErrPath says that a repository's path cannot be worked with.
var ErrPath = errors.New("a path with a line break")

// Open finds the repository that dir is in. ErrNoRepo when git finds none,
// ErrPath when its path has a line break.
func Open(ctx context.Context, g Git, dir string) (Repo, error) {
	out, err := g.Output(ctx, Cmd{Dir: dir, Args: []string{
		"rev-parse", "--path-format=absolute", "--show-toplevel", "--git-path", "index",
		"--git-path", "objects", "--git-common-dir", "--absolute-git-dir", "--show-object-format", "--revs-only", "HEAD",
	}})
	if err != nil {
		failure, ok := errors.AsType[*Error](err)
		if ok && (strings.Contains(failure.Stderr, "not a git repository") || strings.Contains(failure.Stderr, "must be run in a work tree")) {
			return Repo{}, ErrNoRepo
		}
		return Repo{}, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != 6 && len(lines) != 7 {
		return Repo{}, fmt.Errorf("the repository at %q: %w", dir, ErrPath)
	}
	r := Repo{Top: lines[0], Index: lines[1], Objects: lines[2], CommonDir: lines[3], GitDir: lines[4], Format: lines[5]}
	if len(lines) == 7 {
		r.Head = lines[6]
	}
	head, err := os.ReadFile(filepath.Join(r.GitDir, "HEAD"))
	if err != nil {
		return Repo{}, err
	}
	if ref, ok := strings.CutPrefix(string(head), "ref:"); ok {
		r.Branch = strings.TrimSpace(ref)
	}
	return r, nil
}

// Snapshot is a work tree as it was read.
type Snapshot struct {
	Repo
	Tree string // all of the work tree that git does not ignore
	// Staged is a copy of the repository's index; Full is the index of Tree.
	Staged, Full string
	NewObjects   string   // an object directory with what the repository did not have
	Nested       []string // repositories below Top, slash-separated: submodules, and others
	// Unread is what git says of what it left out: directories that it could not
	// look into, and names that it takes for a .git.
	Unread []string
}

// Read reads the work tree of r. What it makes goes to scratch, an existing
// directory that is empty; the repository stays as it is. A file that the tree
// base has counts as tracked as long as it is there, even if it is ignored by
// now; base may be empty, or not in the repository.
func Read(ctx context.Context, g Git, r Repo, scratch, base string) (Snapshot, error) {
	s, err := Copy(ctx, g, r, scratch)
	if err != nil {
		return s, err
	}
	if err := g.Run(ctx, s.full("add", "-u", "--", ".")); err != nil {
		return s, err
	}
	if err := s.addUntracked(ctx, g); err != nil {
		return s, err
	}
	if err := s.keepBase(ctx, g, base); err != nil {
		return s, err
	}
	if err := s.findSubmodules(ctx, g); err != nil {
		return s, err
	}
	tree, err := g.Output(ctx, s.full("write-tree"))
	s.Tree = strings.TrimSpace(string(tree))
	return s, err
}

// Copy is Read that reads nothing yet: Staged and Full are both as the
// repository's index is, and Tree and Nested are empty.
func Copy(ctx context.Context, g Git, r Repo, scratch string) (Snapshot, error) {
	s := Snapshot{
		Repo: r, Staged: filepath.Join(scratch, "staged"), Full: filepath.Join(scratch, "full"),
		NewObjects: filepath.Join(scratch, "objects"),
	}
	return s, s.prepare(ctx, g)
}

// full is a run of git on the index of the whole work tree.
func (s *Snapshot) full(args ...string) Cmd { return s.with(s.Full, args...) }

// OnStaged is a run of git on the copy of the repository's index.
func (s *Snapshot) OnStaged(args ...string) Cmd { return s.with(s.Staged, args...) }

func (s *Snapshot) with(index string, args ...string) Cmd {
	return Cmd{Dir: s.Top, Args: args, Env: append(s.Environ(), "GIT_INDEX_FILE="+index)}
}

// Environ makes git find the new objects beside the repository's own, in the
// directory Top.
func (s *Snapshot) Environ() []string { return []string{"GIT_OBJECT_DIRECTORY=" + s.NewObjects} }

// addUntracked adds what git neither tracks nor ignores, and notes repositories
// inside this one, which git names with a slash at the end.
func (s *Snapshot) addUntracked(ctx context.Context, g Git) error {
	var warnings bounded
	c := s.full("ls-files", "-o", "--exclude-standard", "-z")
	c.Stderr = &warnings
	paths, err := g.Lines(ctx, c)
	if err != nil {
		return err
	}
	s.leftOut(warnings.String())
	var list strings.Builder
	for _, path := range paths {
		if nested, ok := strings.CutSuffix(path, "/"); ok {
			s.Nested = append(s.Nested, nested)
			continue
		}
		list.WriteString(path + "\x00")
	}
	return s.add(ctx, g, list.String())
}

// add adds the files in a list, each with a zero byte at its end.
func (s *Snapshot) add(ctx context.Context, g Git, list string) error {
	if list == "" {
		return nil
	}
	c := s.full("update-index", "--add", "--remove", "-z", "--stdin")
	c.Stdin = strings.NewReader(list)
	var warnings bounded
	c.Stderr = &warnings
	err := g.Run(ctx, c)
	s.leftOut(warnings.String())
	return err
}

// leftOut keeps those of git's complaints that tell of something left out. A
// filter may say anything beside them.
func (s *Snapshot) leftOut(complaints string) {
	for line := range strings.Lines(complaints) {
		text := strings.TrimSpace(strings.TrimPrefix(line, "warning: "))
		if strings.HasPrefix(text, "could not open directory ") || strings.HasPrefix(text, "Ignoring path ") {
			s.Unread = append(s.Unread, text)
		}
	}
}

// keepBase adds the files of base that are there and nobody tracks any more.
func (s *Snapshot) keepBase(ctx context.Context, g Git, base string) error {
	if base == "" {
		return nil
	}
	gone, err := g.Lines(ctx, s.full("diff-index", "--cached", "--name-only", "--diff-filter=D", "--no-renames", "-z", base))
	if _, ok := errors.AsType[*Error](err); ok {
		return nil // the repository was made anew, or its objects were pruned
	}
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, path := range gone {
		info, err := os.Lstat(filepath.Join(s.Top, path))
		if err == nil && !info.IsDir() && !s.inNested(path) {
			list.WriteString(path + "\x00")
		}
	}
	return s.add(ctx, g, list.String())
}

func (s *Snapshot) inNested(path string) bool {
	for _, nested := range s.Nested {
		if strings.HasPrefix(path, nested+"/") {
			return true
		}
	}
	return false
}

// findSubmodules notes the gitlinks whose repositories are there. Where a
// directory has none, what is in it is added: git does not look there.
func (s *Snapshot) findSubmodules(ctx context.Context, g Git) error {
	links, err := s.gitlinks(ctx, g)
	if err != nil {
		return err
	}
	var plain []string
	for _, link := range links {
		dir := filepath.Join(s.Top, link)
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			r, err := Open(ctx, g, dir)
			if err != nil && !errors.Is(err, ErrNoRepo) {
				return err
			}
			if err == nil && r.Top != s.Top {
				s.Nested = append(s.Nested, link)
				continue
			}
		}
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			plain = append(plain, link)
		}
	}
	return s.addPlain(ctx, g, plain)
}

// addPlain adds the files in directories that the index has as gitlinks.
func (s *Snapshot) addPlain(ctx context.Context, g Git, dirs []string) error {
	for some := range slices.Chunk(dirs, 100) {
		list := append([]string{"--literal-pathspecs", "ls-files", "-o", "--exclude-standard", "-z", "--"}, some...)
		found, err := g.Lines(ctx, s.with(s.Full+".none", list...)) // an index that is not there is empty
		if err != nil {
			return err
		}
		var paths strings.Builder
		for _, path := range found {
			if !strings.HasSuffix(path, "/") {
				paths.WriteString(path + "\x00")
			}
		}
		if paths.Len() == 0 {
			continue
		}
		c := s.full("update-index", "--add", "--remove", "--replace", "-z", "--stdin")
		c.Stdin = strings.NewReader(paths.String())
		if err := g.Run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Snapshot) gitlinks(ctx context.Context, g Git) ([]string, error) {
	x, err := ReadIndex(s.Full, s.Format)
	if err == nil {
		return x.Gitlinks(), nil
	}
	if !errors.Is(err, gitindex.ErrFormat) {
		return nil, err
	}
	lines, err := g.Lines(ctx, s.full("ls-files", "-s", "-z"))
	var links []string
	for _, line := range lines {
		meta, path, _ := strings.Cut(line, "\t")
		if strings.HasPrefix(meta, "160000 ") {
			links = append(links, path)
		}
	}
	return links, err
}
