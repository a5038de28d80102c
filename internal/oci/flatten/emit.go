package flatten

import (
	"archive/tar"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Contents are where the files' bytes are.
type Contents interface {
	// Open returns size bytes at offset of the layer with this number, or of its
	// Side. They are read before the next call. For WriteTo, offsets within a layer only
	// grow: nothing before this one is asked for again.
	Open(layer int, side bool, offset, size int64) io.Reader
}

// plan is the order in which a Tree is written.
type plan struct {
	dirs, specials, files []*node
	links                 []link
	bytes                 int64
}

// link is another name of a node.
type link struct {
	parent *node
	name   string
	target *node
}

// WriteTo writes the tree as one tar: directories, then what has no content,
// then files in the order of the layers, so that these are read from front to
// back, and hard links last. Each is told how many of total bytes of content
// are written. It is called once.
func (t *Tree) WriteTo(ctx context.Context, w io.Writer, contents Contents, each func(done, total int64)) error {
	p, err := t.plan(ctx)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, n := range slices.Concat(p.dirs, p.specials) {
		if err := writeHeader(tw, n.header()); err != nil {
			return err
		}
	}
	buf := make([]byte, 256<<10)
	done := int64(0)
	for _, n := range p.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeFile(tw, n, contents, buf); err != nil {
			return err
		}
		done += n.size
		each(done, p.bytes)
	}
	for _, l := range p.links {
		hdr := &tar.Header{Typeflag: tar.TypeLink, Name: pathOf(l.parent, l.name), Linkname: l.target.path()}
		if err := writeHeader(tw, hdr); err != nil {
			return err
		}
	}
	return tw.Close()
}

func writeHeader(tw *tar.Writer, hdr *tar.Header) error {
	if err := tw.WriteHeader(hdr); err != nil {
		return fmt.Errorf("write %q: %w", hdr.Name, err)
	}
	return nil
}

func writeFile(tw *tar.Writer, n *node, contents Contents, buf []byte) error {
	hdr := n.header()
	if err := writeHeader(tw, hdr); err != nil || n.size == 0 {
		return err
	}
	r := contents.Open(n.layer, n.side, n.offset, n.size)
	written, err := io.CopyBuffer(onlyWriter{tw}, r, buf)
	if err == nil && written != n.size {
		err = fault.New(fault.Invalid, "it has %d bytes, not %d: the layer changed while it was read", written, n.size)
	}
	if err != nil {
		return fmt.Errorf("write %q: %w", hdr.Name, err)
	}
	return nil
}

// onlyWriter hides the tar writer's ReadFrom, which has no buffer of its own.
type onlyWriter struct{ io.Writer }

// path is one of the node's names from the root, with a slash after a
// directory's.
func (n *node) path() string {
	if n.parent == nil {
		return "./"
	}
	p := pathOf(n.parent, n.name)
	if n.isDir() {
		p += "/"
	}
	return p
}

func pathOf(parent *node, name string) string {
	names := []string{name}
	for ; parent.parent != nil; parent = parent.parent {
		names = append(names, parent.name)
	}
	slices.Reverse(names)
	return strings.Join(names, "/")
}

// header is the node's header in the merged tar. Times before 1970 become 1970,
// as container engines have it.
func (n *node) header() *tar.Header {
	hdr := &tar.Header{
		Typeflag: n.typ, Name: n.path(), Linkname: n.link, Size: n.size, Mode: int64(n.mode),
		Uid: int(n.uid), Gid: int(n.gid), ModTime: n.mtime, Devmajor: int64(n.major), Devminor: int64(n.minor),
	}
	if epoch := time.Unix(0, 0); hdr.ModTime.Before(epoch) {
		hdr.ModTime = epoch
	}
	if hdr.ModTime.Nanosecond() != 0 || len(n.xattrs) > 0 {
		hdr.Format = tar.FormatPAX
	}
	if len(n.xattrs) > 0 {
		hdr.PAXRecords = make(map[string]string, len(n.xattrs))
		for key, value := range n.xattrs {
			hdr.PAXRecords[xattrRecord+key] = value
		}
	}
	return hdr
}

func (t *Tree) plan(ctx context.Context) (*plan, error) {
	p := &plan{dirs: []*node{t.root}}
	err := t.walk(t.root, 0, 0, func(dir *node, name string, cost int) error {
		return t.budget.step(ctx, cost+p.place(dir, name, cost))
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(p.files, func(a, b *node) int {
		side := func(n *node) int {
			if n.side {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(side(a), side(b)), cmp.Compare(a.offset, b.offset))
	})
	return p, nil
}

// walk calls each for all names below dir, a directory before what is in it. The
// cost is in steps: of the parts of the path that dir has, and of its bytes.
func (t *Tree) walk(dir *node, depth, length int, each func(dir *node, name string, cost int) error) error {
	for _, name := range slices.Sorted(maps.Keys(dir.children)) {
		full := length + len(name) + 1
		if err := each(dir, name, depth+1+full/pathPerStep); err != nil {
			return err
		}
		if child := dir.children[name]; child.isDir() {
			if err := t.walk(child, depth+1, full, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// place puts a name where its turn is. It returns what other name is written
// with it, in steps: that of a hard link's target.
func (p *plan) place(dir *node, name string, cost int) int {
	n := dir.children[name]
	if n.parent != nil { // it has a name already
		p.links = append(p.links, link{parent: dir, name: name, target: n})
		return int(n.cost)
	}
	n.parent, n.name, n.cost = dir, name, int32(cost)
	switch {
	case n.isDir():
		p.dirs = append(p.dirs, n)
	case n.typ == tar.TypeReg:
		p.files = append(p.files, n)
		p.bytes += n.size
	default:
		p.specials = append(p.specials, n)
	}
	return 0
}
