package gittree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

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
		return nil // the repository was made again, or its objects were pruned
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
