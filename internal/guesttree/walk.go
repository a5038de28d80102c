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

// names reads a directory into a map. No directory is an empty one.
func (o *overlay) names(dir *file) (map[string]file, error) {
	all := map[string]file{}
	if dir == nil {
		return all, nil
	}
	err := o.entries(*dir, func(e ext4.Entry) error {
		node, err := dir.fs.Inode(e.Inode)
		all[e.Name] = file{fs: dir.fs, node: node}
		return err
	})
	return all, err
}

// walk gives out all that is below a directory, each directory before what is in it.
func (o *overlay) walk(dir layers, at string, out *writer) error {
	here := place{dir.top().fs, dir.top().node.Number}
	if o.open[here] && dir.upper != nil {
		return fault.New(fault.Invalid, "the directory %q is in itself", plain.Value(at))
	}
	o.open[here] = true
	defer delete(o.open, here)
	upper, err := o.names(dir.upper)
	if err != nil {
		return err
	}
	lower, err := o.names(dir.lower)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(merged(upper, lower))) {
		if err := o.give(dir, path.Join(at, name), upper, lower, out); err != nil {
			return err
		}
	}
	return nil
}

func merged(upper, lower map[string]file) map[string]bool {
	all := make(map[string]bool, len(upper)+len(lower))
	for name := range upper {
		all[name] = true
	}
	for name := range lower {
		all[name] = true
	}
	return all
}

// give gives out one name of a directory.
func (o *overlay) give(dir layers, at string, upper, lower map[string]file, out *writer) error {
	name := path.Base(at)
	up, isUp := upper[name]
	low, isLow := lower[name]
	if o.src.Own("/"+at) || isUp && strings.HasPrefix(name, stagedPrefix) {
		isUp = false
	}
	switch {
	case at == "lost+found" && !isUp && low.node.Number == lostFoundInode:
		return nil
	case isUp && isWhiteout(up.node):
		return nil
	case !isUp && !isLow:
		return nil
	case !isUp && !low.node.IsDir():
		if newer, ok := o.changed[low.node.Number]; ok && dir.indexed {
			low = newer
		}
		return out.file(at, low)
	case isUp && !up.node.IsDir():
		return o.giveUpper(at, up, out)
	}
	next := layers{indexed: dir.indexed, base: dir.base}
	if isLow && low.node.IsDir() {
		next.lower = &low
	}
	if isUp {
		next.upper = &up
		if err := o.follow(dir, &next); err != nil {
			return err
		}
	}
	if home, ok := o.homes[at]; ok {
		next = home
	}
	if err := out.dir(at+"/", next.top()); err != nil {
		return err
	}
	return o.walk(next, at, out)
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
		dir.lower = nil
		return nil
	}
	target, moved := attrs[attrRedirect]
	switch {
	case !moved:
		return nil
	case len(target) == 0 || len(target) > maxPath:
		return fault.New(fault.Invalid, "a directory was moved from a path of %d bytes", len(target))
	case strings.HasPrefix(target, "/"):
		dir.lower, err = o.lookup(o.src.Image, parent.base+path.Clean(target))
	case parent.lower == nil || strings.Contains(target, "/"):
		dir.lower = nil
	default:
		below, err := o.names(parent.lower)
		if err != nil {
			return fmt.Errorf("look for %q: %w", plain.Value(target), err)
		}
		dir.lower = nil
		if f, ok := below[target]; ok {
			dir.lower = &f
		}
	}
	if dir.lower != nil && !dir.lower.node.IsDir() {
		dir.lower = nil
	}
	return err
}
