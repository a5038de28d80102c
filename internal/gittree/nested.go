package gittree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/gitindex"
)

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
