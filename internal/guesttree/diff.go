package guesttree

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
)

// Difference is one path that two trees do not share.
type Difference struct {
	Path string // absolute and clean
	Kind Kind
}

// Kind is how a path differs.
type Kind string

// The kinds: only the newer tree has it, both have it but not the same, only the older has it.
const (
	Added   Kind = "added"
	Changed Kind = "changed"
	Deleted Kind = "deleted"
)

// mark is what a path is, but for its times.
type mark [sha256.Size / 2]byte

// Diff compares two trees, and returns at most most of their differences, by path, and how
// many there are. Both are read whole. Its errors are those of WriteTar.
func Diff(ctx context.Context, older, newer Source, most int) ([]Difference, int, error) {
	had, err := marks(ctx, older)
	if err != nil {
		return nil, 0, err
	}
	has, err := marks(ctx, newer)
	if err != nil {
		return nil, 0, err
	}
	differ := map[string]Kind{}
	for name, is := range has {
		if was, known := had[name]; !known {
			differ[name] = Added
		} else if was != is {
			differ[name] = Changed
		}
	}
	for name := range had {
		if _, known := has[name]; !known {
			differ[name] = Deleted
		}
	}
	names := slices.Sorted(maps.Keys(differ))
	out := make([]Difference, 0, min(most, len(names)))
	for _, name := range names[:min(most, len(names))] {
		out = append(out, Difference{name, differ[name]})
	}
	return out, len(names), nil
}

// marks reads a tree.
func marks(ctx context.Context, src Source) (map[string]mark, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := WriteTar(ctx, w, src)
		w.CloseWithError(err)
		written <- err
	}()
	all, err := marksOf(r)
	if err == nil { // it may have ended before the stream did
		_, err = io.Copy(io.Discard, r)
	}
	_ = r.CloseWithError(err)
	if writeErr := <-written; writeErr != nil {
		return nil, writeErr
	}
	return all, err
}

func marksOf(r io.Reader) (map[string]mark, error) {
	all := map[string]mark{}
	in := tar.NewReader(r)
	for {
		hdr, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		_, _ = fmt.Fprintf(sum, "%c %o %d %d %d %d %d %q\n", hdr.Typeflag, hdr.Mode, hdr.Uid, hdr.Gid, hdr.Devmajor, hdr.Devminor, hdr.Size, hdr.Linkname)
		for _, key := range slices.Sorted(maps.Keys(hdr.PAXRecords)) {
			if key != "mtime" && key != "atime" && key != "ctime" {
				_, _ = fmt.Fprintf(sum, "%q %q\n", key, hdr.PAXRecords[key])
			}
		}
		if _, err := io.Copy(sum, in); err != nil {
			return nil, err
		}
		var is mark
		copy(is[:], sum.Sum(nil))
		all[path.Join("/", hdr.Name)] = is
	}
}
