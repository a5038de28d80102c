package flatten

import (
	"archive/tar"
	"path"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

const (
	maxNameLength = 255  // of one component, as on every Linux filesystem
	maxPathLength = 4096 // PATH_MAX
	maxLinksAhead = 255  // symbolic links followed in one path
)

// node is an inode. Hard links are one node under several names.
type node struct {
	typ      byte // a tar type flag
	mode     int64
	uid, gid int
	mtime    time.Time
	link     string // of a symbolic link
	major    int64
	minor    int64
	xattrs   map[string]string
	children map[string]*node // of a directory

	size  int64
	layer int
	entry entry

	path string // set by the walk that emits it
}

func newDir(mode int64) *node {
	return &node{typ: tar.TypeDir, mode: mode, mtime: time.Unix(0, 0), children: map[string]*node{}}
}

func (n *node) isDir() bool { return n != nil && n.typ == tar.TypeDir }

// Tree is the merged files of the layers applied so far.
type Tree struct {
	root *node
	// seen is the paths that the layer under way has made.
	seen map[string]bool
	// cleared is the directories that it has made opaque: once is enough, and
	// again would take away what it has put there since.
	cleared map[string]bool
}

// NewTree returns a Tree that holds only the root directory.
func NewTree() *Tree { return &Tree{root: newDir(0o755)} }

// at returns the node at a path without links, or nil.
func (t *Tree) at(names []string) *node {
	n := t.root
	for _, name := range names {
		if n = n.children[name]; n == nil {
			return nil
		}
	}
	return n
}

// resolve follows all links in a path, each inside the root: a link that climbs
// above it, or is absolute, starts over there. What does not exist is taken for
// a plain directory.
func (t *Tree) resolve(p string) ([]string, error) {
	var done []string
	todo := split(p)
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = done[:max(0, len(done)-1)]
			continue
		}
		parent := t.at(done)
		if parent != nil && !parent.isDir() {
			return nil, fault.New(fault.Invalid, "%q is not a directory", strings.Join(done, "/"))
		}
		var child *node
		if parent != nil {
			child = parent.children[name]
		}
		if child == nil || child.typ != tar.TypeSymlink {
			done = append(done, name)
			continue
		}
		if links++; links > maxLinksAhead {
			return nil, fault.New(fault.Invalid, "more than %d symbolic links in the path %q", maxLinksAhead, p)
		}
		target := child.link
		if !path.IsAbs(target) {
			target = "/" + strings.Join(done, "/") + "/" + target
		}
		// Dots are taken out by name, before the links among them are followed,
		// as container engines do.
		done, todo = nil, append(split(path.Clean(target)), todo...)
		if len(todo) > maxPathLength {
			return nil, fault.New(fault.Invalid, "the path %q has too many parts", p)
		}
	}
	return done, nil
}

func split(p string) []string { return strings.Split(p, "/") }

// mkdirs returns the directory at names, made with its parents where missing.
func (t *Tree) mkdirs(names []string, mtime time.Time) (*node, error) {
	n := t.root
	for i, name := range names {
		child := n.children[name]
		if child == nil {
			if err := checkName(name); err != nil {
				return nil, err
			}
			child = newDir(0o755)
			child.mtime = mtime
			n.children[name] = child
		}
		if !child.isDir() {
			return nil, fault.New(fault.Invalid, "%q is not a directory", strings.Join(names[:i+1], "/"))
		}
		n = child
	}
	return n, nil
}

func checkName(name string) error {
	if len(name) > maxNameLength {
		return fault.New(fault.Invalid, "the name %q… has %d bytes; at most %d are possible", name[:40], len(name), maxNameLength)
	}
	return nil
}
