package flatten

import (
	"archive/tar"
	"context"
	"fmt"
	"maps"
	"math"
	"path"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Whiteouts, as the OCI image specification names them.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

const xattrRecord = "SCHILY.xattr."

// Apply puts a layer on top of those applied before. The number is given back
// to WriteTo's open. What an ordinary filesystem would refuse is a fault
// Invalid; the Tree is of no more use then.
func (t *Tree) Apply(ctx context.Context, number int, layer *Index) error {
	t.seen, t.cleared = make(map[string]bool, len(layer.entries)), map[string]bool{}
	for i := range layer.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.apply(number, layer.entries[i]); err != nil {
			return fmt.Errorf("%s: %w", describe(layer.entries[i].hdr), err)
		}
	}
	return nil
}

func (t *Tree) apply(number int, e entry) error {
	dirname, base := path.Split(path.Clean(e.hdr.Name))
	parents, err := t.resolve(dirname)
	if err != nil {
		return err
	}
	if base == "" || base == "." || base == ".." {
		// All of these mean the parent itself, links resolved. Only the root may
		// be described so.
		if len(parents) == 0 && e.hdr.Typeflag == tar.TypeDir {
			return t.root.describe(e.hdr)
		}
		return nil
	}
	if err := checkName(base); err != nil {
		return err
	}
	full := strings.Join(parents, "/") + "/" + base
	if len(full) > maxPathLength {
		return fault.New(fault.Invalid, "its path has %d bytes; at most %d are possible", len(full), maxPathLength)
	}
	dir, err := t.mkdirs(parents, e.hdr.ModTime)
	if err != nil {
		return err
	}
	if strings.HasPrefix(base, whiteoutPrefix) {
		return t.whiteout(dir, strings.Join(parents, "/"), base)
	}
	if err := t.place(dir, base, number, e); err != nil {
		return err
	}
	t.seen[strings.TrimPrefix(full, "/")] = true
	return nil
}

// whiteout removes what base hides in dir.
func (t *Tree) whiteout(dir *node, dirPath, base string) error {
	if base == whiteoutOpaque {
		if !t.cleared[dirPath] {
			t.clear(dir, dirPath)
		}
		t.cleared[dirPath] = true
		return nil
	}
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return fault.New(fault.Invalid, "%q is not a whiteout", base)
	}
	delete(dir.children, hidden)
	return nil
}

// clear removes what layers below have put into dir, and keeps what this layer
// has.
func (t *Tree) clear(dir *node, dirPath string) {
	for name, child := range dir.children {
		full := strings.TrimPrefix(dirPath+"/"+name, "/")
		switch {
		case !t.seen[full]:
			delete(dir.children, name)
		case child.isDir():
			t.clear(child, full)
		}
	}
}

// place puts the entry into dir as base. Only a directory over a directory
// keeps what is there; all else replaces it.
func (t *Tree) place(dir *node, base string, number int, e entry) error {
	existing := dir.children[base]
	if existing.isDir() && e.hdr.Typeflag == tar.TypeDir {
		return existing.describe(e.hdr)
	}
	delete(dir.children, base)
	if e.hdr.Typeflag == tar.TypeLink {
		target, err := t.linkTarget(e.hdr.Linkname)
		if err != nil {
			return err
		}
		if err := target.describe(e.hdr); err != nil {
			return err
		}
		dir.children[base] = target
		return nil
	}
	n, err := newNode(number, e)
	if err != nil {
		return err
	}
	dir.children[base] = n
	return nil
}

// linkTarget finds the file that a hard link names. Links on the way to it are
// followed; it may be a link itself.
func (t *Tree) linkTarget(linkname string) (*node, error) {
	dirname, base := path.Split(path.Clean(linkname))
	parents, err := t.resolve(dirname)
	if err != nil {
		return nil, err
	}
	if base != "" && base != "." && base != ".." {
		parents = append(parents, base)
	}
	target := t.at(parents)
	switch {
	case target == nil:
		return nil, fault.New(fault.Invalid, "it is a hard link to %q, which is not there", linkname)
	case target.isDir():
		return nil, fault.New(fault.Invalid, "it is a hard link to the directory %q", linkname)
	}
	return target, nil
}

func newNode(number int, e entry) (*node, error) {
	hdr := e.hdr
	n := &node{typ: hdr.Typeflag, layer: number, entry: e}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		n.typ, n.size = tar.TypeReg, hdr.Size
	case tar.TypeDir:
		n.children = map[string]*node{}
	case tar.TypeSymlink:
		if hdr.Linkname == "" || len(hdr.Linkname) >= maxPathLength {
			return nil, fault.New(fault.Invalid, "it is a symbolic link of %d bytes", len(hdr.Linkname))
		}
		n.link = hdr.Linkname
	case tar.TypeChar, tar.TypeBlock:
		n.major, n.minor = hdr.Devmajor, hdr.Devminor
		if n.major < 0 || n.major >= 1<<12 || n.minor < 0 || n.minor >= 1<<20 {
			return nil, fault.New(fault.Invalid, "the device number %d:%d is out of range", n.major, n.minor)
		}
	case tar.TypeFifo:
	default:
		return nil, fault.New(fault.Invalid, "its type %q is not known", hdr.Typeflag)
	}
	return n, n.describe(hdr)
}

// describe gives the node the header's owner, mode, time and attributes.
// Attributes add to those it has.
func (n *node) describe(hdr *tar.Header) error {
	if hdr.Uid < 0 || hdr.Uid >= math.MaxUint32 || hdr.Gid < 0 || hdr.Gid >= math.MaxUint32 {
		return fault.New(fault.Invalid, "its owner %d:%d is out of range", hdr.Uid, hdr.Gid)
	}
	n.uid, n.gid, n.mtime = hdr.Uid, hdr.Gid, hdr.ModTime
	n.mode = hdr.Mode & 0o7777
	if n.typ == tar.TypeSymlink {
		n.mode = 0o777
	}
	for record, value := range hdr.PAXRecords {
		key, found := strings.CutPrefix(record, xattrRecord)
		if !found || !n.takesXattr(key) {
			continue
		}
		if n.xattrs == nil {
			n.xattrs = map[string]string{}
		}
		n.xattrs[key] = value
	}
	return nil
}

// takesXattr leaves out what Linux would not let an archive set: trusted
// attributes are the host's (overlayfs keeps its own there), and user ones are
// for files and directories only.
func (n *node) takesXattr(key string) bool {
	namespace, name, _ := strings.Cut(key, ".")
	if name == "" || len(key) > maxNameLength {
		return false
	}
	switch namespace {
	case "security":
		return true
	case "user":
		return n.typ == tar.TypeReg || n.typ == tar.TypeDir
	}
	return false
}

// header is the node's header in the merged tar.
func (n *node) header(name string) *tar.Header {
	hdr := &tar.Header{
		Typeflag: n.typ, Name: name, Linkname: n.link, Size: n.size, Mode: n.mode,
		Uid: n.uid, Gid: n.gid, ModTime: n.mtime, Devmajor: n.major, Devminor: n.minor,
	}
	if n.mtime.Nanosecond() != 0 || len(n.xattrs) > 0 {
		hdr.Format = tar.FormatPAX
	}
	if len(n.xattrs) > 0 {
		hdr.PAXRecords = make(map[string]string, len(n.xattrs))
		for key, value := range maps.All(n.xattrs) {
			hdr.PAXRecords[xattrRecord+key] = value
		}
	}
	return hdr
}
