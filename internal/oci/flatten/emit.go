package flatten

import (
	"archive/tar"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/bangervm/banger/internal/fault"
)

// Contents are where the files' bytes are.
type Contents interface {
	// Open returns size bytes at offset of the layer with this number, or of its
	// Side.
	Open(layer int, side bool, offset, size int64) io.Reader
}

// plan is the order in which a Tree is written.
type plan struct {
	dirs, specials, files []*node
	links                 []link
	bytes                 int64
}

type link struct{ name, target string }

// WriteTo writes the tree as one tar: directories, then what has no content,
// then files in the order of the layers, so that these are read from front to
// back, and hard links last. Each is told how many of total bytes of content
// are written. It is called once.
func (t *Tree) WriteTo(ctx context.Context, w io.Writer, contents Contents, each func(done, total int64)) error {
	p := t.plan()
	tw := tar.NewWriter(w)
	for _, n := range slices.Concat(p.dirs, p.specials) {
		if err := tw.WriteHeader(n.header(n.path)); err != nil {
			return fmt.Errorf("write %q: %w", n.path, err)
		}
	}
	buf := make([]byte, 256<<10)
	done := int64(0)
	for _, n := range p.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeFile(tw, n, contents, buf); err != nil {
			return fmt.Errorf("write %q: %w", n.path, err)
		}
		done += n.size
		each(done, p.bytes)
	}
	for _, l := range p.links {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: l.name, Linkname: l.target}); err != nil {
			return fmt.Errorf("write %q: %w", l.name, err)
		}
	}
	return tw.Close()
}

func writeFile(tw *tar.Writer, n *node, contents Contents, buf []byte) error {
	if err := tw.WriteHeader(n.header(n.path)); err != nil {
		return err
	}
	if n.size == 0 {
		return nil
	}
	r := contents.Open(n.layer, n.entry.side, n.entry.offset, n.size)
	written, err := io.CopyBuffer(onlyWriter{tw}, r, buf)
	if err == nil && written != n.size {
		err = fault.New(fault.Invalid, "it has %d bytes, not %d: the layer changed while it was read", written, n.size)
	}
	return err
}

// onlyWriter hides the tar writer's ReadFrom, which has no buffer of its own.
type onlyWriter struct{ io.Writer }

func (t *Tree) plan() *plan {
	p := &plan{}
	p.walk(t.root, "")
	slices.SortFunc(p.files, func(a, b *node) int {
		side := func(n *node) int {
			if n.entry.side {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(side(a), side(b)), cmp.Compare(a.entry.offset, b.entry.offset))
	})
	return p
}

func (p *plan) walk(dir *node, prefix string) {
	dir.path = cmp.Or(prefix, "./")
	p.dirs = append(p.dirs, dir)
	for _, name := range slices.Sorted(maps.Keys(dir.children)) {
		n, full := dir.children[name], prefix+name
		switch {
		case n.isDir():
			p.walk(n, full+"/")
		case n.path != "":
			p.links = append(p.links, link{name: full, target: n.path})
		case n.typ == tar.TypeReg:
			n.path = full
			p.files = append(p.files, n)
			p.bytes += n.size
		default:
			n.path = full
			p.specials = append(p.specials, n)
		}
	}
}
