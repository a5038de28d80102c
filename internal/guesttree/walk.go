package guesttree

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// entries reads the names in a directory.
func (o *overlay) entries(dir file, each func(ext4.Entry) error) error {
	if err := o.budget.directory(dir.node.Size); err != nil {
		return err
	}
	return dir.fs.ReadDir(o.ctx, dir.node, func(e ext4.Entry) error {
		if err := o.budget.entry(len(e.Name)); err != nil {
			return err
		}
		return each(e)
	})
}

// listing has the inode of each name in a directory. The inodes are read one by one: a
// directory can have millions, of as many bytes as a block.
type listing struct {
	fs    *ext4.FS
	names map[string]uint32
}

// list reads a directory. No directory is an empty one.
func (o *overlay) list(dir *file) (listing, error) {
	all := listing{names: map[string]uint32{}}
	if dir == nil {
		return all, nil
	}
	all.fs = dir.fs
	return all, o.entries(*dir, func(e ext4.Entry) error {
		all.names[e.Name] = e.Inode
		return nil
	})
}

// get returns what has the name; nil: nothing.
func (l listing) get(name string) (*file, error) {
	number, ok := l.names[name]
	if !ok {
		return nil, nil
	}
	node, err := l.fs.Inode(number)
	if err != nil {
		return nil, err
	}
	return &file{fs: l.fs, node: node}, nil
}

// walk gives out all that is below a directory, each directory before what is in it.
func (o *overlay) walk(dir layers, at string, out *writer) error {
	here := place{dir.top().fs, dir.top().node.Number}
	if o.open[here] && dir.upper != nil {
		return fault.New(fault.Invalid, "the directory %q is in itself", plain.Value(at))
	}
	o.open[here] = true
	defer delete(o.open, here)
	upper, err := o.list(dir.upper)
	if err != nil {
		return err
	}
	lower, err := o.list(dir.lower)
	if err != nil {
		return err
	}
	for _, name := range merged(upper, lower) {
		if err := o.give(dir, path.Join(at, name), upper, lower, out); err != nil {
			return err
		}
	}
	return nil
}

func merged(upper, lower listing) []string {
	all := slices.Collect(maps.Keys(upper.names))
	for name := range lower.names {
		if _, both := upper.names[name]; !both {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// give gives out one name of a directory.
func (o *overlay) give(dir layers, at string, upper, lower listing, out *writer) error {
	name := path.Base(at)
	low, err := lower.get(name)
	if err != nil {
		return err
	}
	var up *file
	if !o.src.Own("/"+at) && !strings.HasPrefix(name, stagedPrefix) {
		if up, err = upper.get(name); err != nil {
			return err
		}
	}
	had := dir.covers && low != nil
	switch {
	case up == nil && low == nil:
		return nil
	case at == "lost+found" && up == nil && low.node.Number == lostFoundInode:
		return nil
	case up != nil && (isWhiteout(up.node) || up.node.Type == ext4.TypeSocket):
		return out.gone(at, had)
	case up == nil && !low.node.IsDir():
		return o.giveLower(dir, at, *low, out)
	case up != nil && !up.node.IsDir():
		return o.giveUpper(at, *up, out)
	}
	return o.giveDir(dir, at, up, low, out)
}

// giveDir gives out a directory and what is in it.
func (o *overlay) giveDir(dir layers, at string, up, low *file, out *writer) error {
	next := layers{indexed: dir.indexed, base: dir.base, upper: up}
	if low != nil && low.node.IsDir() {
		next.lower, next.covers = low, dir.covers
	}
	if up != nil {
		if err := o.follow(dir, &next); err != nil {
			return err
		}
	}
	if home, ok := o.homes[at]; ok {
		next = home
	}
	// What the image has as it is, a layer has only with something in it: engines that unpack
	// layers side by side would make it anew.
	kept := out.layer != nil && next.covers && next.upper == nil
	if !kept && low == nil {
		var err error
		if kept, err = o.made(at, next); err != nil {
			return err
		}
	}
	if kept {
		out.enter(at+"/", next.top())
		defer out.leave()
		return o.walk(next, at, out)
	}
	if err := out.dir(at+"/", next.top()); err != nil {
		return err
	}
	if !next.covers && dir.covers && low != nil && low.node.IsDir() {
		if err := out.opaque(at); err != nil {
			return err
		}
	}
	return o.walk(next, at, out)
}

// giveLower gives out a file of the image, or what became of it under another name.
func (o *overlay) giveLower(dir layers, at string, low file, out *writer) error {
	if number, ok := o.changed[low.node.Number]; ok && dir.indexed {
		node, err := o.src.Disk.Inode(number)
		if err != nil {
			return err
		}
		if node.Type == ext4.TypeRegular {
			return out.file(at, file{fs: o.src.Disk, node: node, shared: true}) // the index counts once
		}
	}
	if dir.covers {
		return out.unchanged(at, low)
	}
	return out.file(at, low)
}

// lostFoundInode is that of the directory which every ext4 has for e2fsck. It is the
// filesystem's, not the image's.
const lostFoundInode = 11

// stagedPrefix begins the name of a file that banger was placing when the VM ended.
const stagedPrefix = ".banger-"

func isWhiteout(n *ext4.Inode) bool {
	return n.Type == ext4.TypeChar && n.Major == 0 && n.Minor == 0
}

func (o *overlay) giveUpper(at string, up file, out *writer) error {
	attrs, err := up.fs.Xattrs(up.node)
	if err != nil {
		return err
	}
	if _, partly := attrs[attrMetacopy]; partly {
		return fault.New(fault.Invalid, "%q has its content in the image, which is not supported", plain.Value(at))
	}
	return out.file(at, up)
}

// follow finds the directory of the image that a directory of the upper layer covers:
// none, when it was made again, or one that had another name before.
func (o *overlay) follow(parent layers, dir *layers) error {
	attrs, err := dir.upper.fs.Xattrs(dir.upper.node)
	if err != nil {
		return err
	}
	if attrs[attrOpaque] == "y" {
		dir.lower, dir.covers = nil, false
		return nil
	}
	target, moved := attrs[attrRedirect]
	if !moved {
		return nil
	}
	dir.covers = false
	switch {
	case len(target) == 0 || len(target) > maxPath:
		return fault.New(fault.Invalid, "a directory was moved from a path of %d bytes", len(target))
	case strings.HasPrefix(target, "/"):
		dir.lower, err = o.lookup(o.src.Image, parent.base+path.Clean(target))
	case parent.lower == nil || strings.Contains(target, "/"):
		dir.lower = nil
	default:
		dir.lower, err = o.child(*parent.lower, target)
	}
	if err != nil {
		return fmt.Errorf("look for %q: %w", plain.Value(target), err)
	}
	if dir.lower != nil && !dir.lower.node.IsDir() {
		dir.lower = nil
	}
	return nil
}
