package flatten

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Whiteouts, as the OCI image specification names them.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// Apply puts a layer on top of those applied before. The number is given back
// to WriteTo's open. What an ordinary filesystem would refuse is a fault
// Invalid; the Tree is of no more use then. The Index is of no more use either:
// its entries go as they are applied.
func (t *Tree) Apply(ctx context.Context, number int, layer *Index) error {
	t.seen, t.cleared = make(map[slot]bool, len(layer.entries)), map[*node]bool{}
	defer func() { t.seen, t.cleared = nil, nil }()
	for i := range layer.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.apply(ctx, number, &layer.entries[i]); err != nil {
			return fmt.Errorf("%s: %w", describe(layer.entries[i].name), err)
		}
	}
	return nil
}

func (t *Tree) apply(ctx context.Context, number int, e *entry) error {
	dirname, base := path.Split(e.name)
	parents, err := t.resolve(ctx, dirname)
	if err != nil {
		return unlessWhiteout(base, err)
	}
	if base == "" || base == "." || base == ".." {
		// All of these mean the parent itself, links resolved. Only the root may
		// be described so.
		if len(parents.names) == 0 && e.typ == tar.TypeDir {
			t.root.describe(e)
		}
		return nil
	}
	if err := checkName(base); err != nil {
		return err
	}
	if n := parents.length(base); n > maxPathLength {
		return fault.New(fault.Invalid, "its path has %d bytes; the limit is %d", n, maxPathLength)
	}
	dir, err := t.mkdirs(parents, e.mtime)
	if err != nil {
		return unlessWhiteout(base, err)
	}
	if strings.HasPrefix(base, whiteoutPrefix) {
		return t.whiteout(ctx, dir, base)
	}
	if err := t.place(ctx, dir, base, number, e); err != nil {
		return err
	}
	t.seen[slot{dir, base}] = true
	return nil
}

// unlessWhiteout forgives a whiteout that its parent is a file: there is nothing
// below a file to be hidden.
func unlessWhiteout(base string, err error) error {
	if _, ok := errors.AsType[notDirectory](err); ok && strings.HasPrefix(base, whiteoutPrefix) {
		return nil
	}
	return err
}

// whiteout removes what base hides in dir.
func (t *Tree) whiteout(ctx context.Context, dir *node, base string) error {
	if base == whiteoutOpaque {
		if t.cleared[dir] {
			return nil
		}
		t.cleared[dir] = true
		return t.clear(ctx, dir)
	}
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return fault.New(fault.Invalid, "%q is not a whiteout", base)
	}
	delete(dir.children, hidden)
	return nil
}

// clear removes what layers below have put into dir, and keeps what this layer
// has. The map is made again, since one that has been large stays so, and is as
// slow to look through, when what was in it is deleted.
func (t *Tree) clear(ctx context.Context, dir *node) error {
	if err := t.budget.step(ctx, len(dir.children)+1); err != nil {
		return err
	}
	kept := map[string]*node{}
	for name, child := range dir.children {
		if !t.seen[slot{dir, name}] {
			continue
		}
		kept[name] = child
		if !child.isDir() {
			continue
		}
		if err := t.clear(ctx, child); err != nil {
			return err
		}
	}
	dir.children = kept
	return nil
}

// place puts the entry into dir as base. Only a directory over a directory
// keeps what is there; all else replaces it.
func (t *Tree) place(ctx context.Context, dir *node, base string, number int, e *entry) error {
	existing := dir.children[base]
	if existing.isDir() && e.typ == tar.TypeDir {
		existing.describe(e)
		return nil
	}
	if e.typ != tar.TypeLink {
		dir.children[base] = newNode(number, e)
		return nil
	}
	target, err := t.linkTarget(ctx, e.link)
	if err != nil {
		return err
	}
	if !t.rules.KeepLinked {
		target.describe(e)
	}
	dir.children[base] = target
	return nil
}

// linkTarget finds the file that a hard link names. Links on the way to it are
// followed; it may be a link itself.
func (t *Tree) linkTarget(ctx context.Context, linkname string) (*node, error) {
	dirname, base := path.Split(path.Clean(linkname))
	parents, err := t.resolve(ctx, dirname)
	if err != nil {
		return nil, err
	}
	target := parents.last()
	if base != "" && base != "." && base != ".." {
		if target.isDir() {
			target = target.children[base]
		} else {
			target = nil
		}
	}
	switch {
	case target == nil:
		return nil, fault.New(fault.Invalid, "it is a hard link to %q, which does not exist", linkname)
	case target.isDir():
		return nil, fault.New(fault.Invalid, "it is a hard link to the directory %q", linkname)
	}
	return target, nil
}

func newNode(number int, e *entry) *node {
	n := &node{typ: e.typ, link: e.link, major: e.major, minor: e.minor, layer: number, size: e.size, offset: e.offset, side: e.side}
	if e.typ == tar.TypeDir {
		n.children = map[string]*node{}
	}
	n.describe(e)
	return n
}

// describe gives the node the entry's owner, mode, time and attributes. A
// directory has no others afterwards; a file keeps those that only an earlier
// name of it has: a hard link's header often leaves them out.
func (n *node) describe(e *entry) {
	n.uid, n.gid, n.mtime, n.mode = e.uid, e.gid, e.mtime, e.mode
	if n.typ == tar.TypeSymlink {
		n.mode = 0o777
	}
	if n.isDir() {
		n.xattrs = nil
	}
	for key, value := range e.xattrs {
		if !n.takesXattr(key) {
			continue
		}
		if n.xattrs == nil {
			n.xattrs = map[string]string{}
		}
		n.xattrs[key] = value
	}
}

// takesXattr: user attributes are for files and directories only.
func (n *node) takesXattr(key string) bool {
	return n.typ == tar.TypeReg || n.typ == tar.TypeDir || !strings.HasPrefix(key, "user.")
}
