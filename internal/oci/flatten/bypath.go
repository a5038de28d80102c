package flatten

import (
	"archive/tar"
	"context"
	"io"
)

// WriteByPath is WriteTo in the order of paths, each directory before what is in it. A
// file with several names has its content under the first, and the headers of the others
// describe it again. So package guesttree writes trees: equal ones give equal bytes.
func (t *Tree) WriteByPath(ctx context.Context, w io.Writer, contents Contents, each func(done, total int64)) error {
	p, err := t.plan(ctx)
	if err != nil {
		return err
	}
	done, buf, tw := int64(0), make([]byte, 256<<10), tar.NewWriter(w)
	if err := writeHeader(tw, t.root.header()); err != nil {
		return err
	}
	err = t.walk(t.root, 0, 0, func(dir *node, name string, cost int) error {
		if err := t.budget.step(ctx, cost); err != nil {
			return err
		}
		n := dir.children[name]
		switch {
		case n.isDir():
			return writeHeader(tw, n.header())
		case n.parent != dir || n.name != name: // as plan found it first
			return writeHeader(tw, n.again(pathOf(dir, name)))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		done += n.size
		each(done, p.bytes)
		return writeFile(tw, n, contents, buf)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// again is the header of another name of the node.
func (n *node) again(name string) *tar.Header {
	hdr := n.header()
	hdr.Typeflag, hdr.Linkname, hdr.Name, hdr.Size = tar.TypeLink, hdr.Name, name, 0
	return hdr
}
