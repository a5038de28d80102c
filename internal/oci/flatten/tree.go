package flatten

import (
	"archive/tar"
	"context"
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
	typ          byte // a tar type flag
	side         bool
	mode         uint16
	uid, gid     uint32
	major, minor uint32
	mtime        time.Time
	link         string // of a symbolic link
	xattrs       map[string]string
	children     map[string]*node // of a directory

	layer        int
	size, offset int64

	// One of its names, and what that costs in steps, set by the walk that emits it.
	parent *node
	name   string
	cost   int32
}

func newDir(mode uint16) *node {
	return &node{typ: tar.TypeDir, mode: mode, mtime: time.Unix(0, 0), children: map[string]*node{}}
}

func (n *node) isDir() bool { return n != nil && n.typ == tar.TypeDir }

// Rules tell sources apart where they have different ones.
type Rules struct {
	// KeepLinked says that the header of a hard link tells nothing of the file,
	// as for GNU tar. Container engines have it describe the file again.
	KeepLinked bool
}

// Tree is the merged files of the layers applied so far.
type Tree struct {
	root   *node
	rules  Rules
	budget *Budget
	// seen is the names that the layer under way has made.
	seen map[slot]bool
	// cleared is the directories that it has made opaque: once is enough, and
	// again would take away what it has put there since.
	cleared map[*node]bool
}

// slot is a name in a directory.
type slot struct {
	dir  *node
	name string
}

// NewTree returns a Tree that holds only the root directory. Its work is paid
// for from the budget.
func NewTree(budget *Budget, rules Rules) *Tree {
	return &Tree{root: newDir(0o755), rules: rules, budget: budget}
}

// Has reports whether the root directory has something of this name.
func (t *Tree) Has(name string) bool { return t.root.children[name] != nil }

// trail is a way down from the root: nodes has one more than names, and is nil
// from where nothing is there.
type trail struct {
	names []string
	nodes []*node
}

func (tr *trail) last() *node { return tr.nodes[len(tr.nodes)-1] }

func (tr *trail) push(name string, n *node) {
	tr.names, tr.nodes = append(tr.names, name), append(tr.nodes, n)
}

func (tr *trail) cut(depth int) {
	tr.names, tr.nodes = tr.names[:depth], tr.nodes[:depth+1]
}

func (tr *trail) String() string { return strings.Join(tr.names, "/") }

// length is of the path, with base below it.
func (tr *trail) length(base string) int {
	n := len(base)
	for _, name := range tr.names {
		n += len(name) + 1
	}
	return n
}

// notDirectory is a path that leads through a file.
type notDirectory struct{ error }

// Unwrap makes it the fault that it holds.
func (e notDirectory) Unwrap() error { return e.error }

func newNotDirectory(path string) error {
	return notDirectory{fault.New(fault.Invalid, "%q is not a directory", path)}
}

// resolve follows all links in a path, each inside the root: a link that climbs
// above it, or is absolute, starts over there. What does not exist is taken for
// a plain directory.
func (t *Tree) resolve(ctx context.Context, p string) (*trail, error) {
	done := &trail{nodes: []*node{t.root}}
	todo := split(p)
	for links := 0; len(todo) > 0; {
		if err := t.budget.step(ctx, 1); err != nil {
			return nil, err
		}
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done.cut(max(0, len(done.names)-1))
			continue
		}
		parent := done.last()
		if parent != nil && !parent.isDir() {
			return nil, newNotDirectory(done.String())
		}
		var child *node
		if parent != nil {
			child = parent.children[name]
		}
		if child == nil || child.typ != tar.TypeSymlink {
			done.push(name, child)
			continue
		}
		if links++; links > maxLinksAhead {
			return nil, fault.New(fault.Invalid, "more than %d symbolic links in the path %q", maxLinksAhead, p)
		}
		if path.IsAbs(child.link) {
			done.cut(0)
		}
		// Dots are taken out by name, before the links among them are followed,
		// as container engines do.
		todo = append(split(path.Clean(child.link)), todo...)
		if len(todo) > maxPathLength {
			return nil, fault.New(fault.Invalid, "the path %q has too many parts", p)
		}
		if err := t.budget.step(ctx, len(todo)); err != nil { // they were copied
			return nil, err
		}
	}
	return done, nil
}

func split(p string) []string { return strings.Split(p, "/") }

// mkdirs returns the directory at the end of the trail, made with its parents
// where missing.
func (t *Tree) mkdirs(at *trail, mtime time.Time) (*node, error) {
	n := t.root
	for i, name := range at.names {
		child := at.nodes[i+1]
		if child == nil {
			if err := checkName(name); err != nil {
				return nil, err
			}
			if err := t.budget.spendEntry(0); err != nil { // nobody named it, but it is there
				return nil, err
			}
			child = newDir(0o755)
			child.mtime = mtime
			n.children[name] = child
			at.nodes[i+1] = child
		}
		if !child.isDir() {
			return nil, newNotDirectory(strings.Join(at.names[:i+1], "/"))
		}
		n = child
	}
	return n, nil
}

func checkName(name string) error {
	if len(name) > maxNameLength {
		return fault.New(fault.Invalid, "the name %q… has %d bytes; the limit is %d", name[:40], len(name), maxNameLength)
	}
	return nil
}
