package guesttree

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/bangervm/banger/internal/ext4"
)

// What overlayfs notes on a directory or file of the upper layer.
const (
	attrOpaque   = "trusted.overlay.opaque"
	attrRedirect = "trusted.overlay.redirect"
	attrMetacopy = "trusted.overlay.metacopy"
)

// file is an inode of one of the two filesystems.
type file struct {
	fs   *ext4.FS
	node *ext4.Inode
	// shared says that it may have other names, though its inode counts only one.
	shared bool
}

// layers is a directory as the guest sees it: upper over lower. One may be missing.
type layers struct {
	upper, lower *file
	// indexed says that hard links of the image stay together when they are changed.
	indexed bool
	// base is what the lower layer's paths begin with in the image: "root", or nothing.
	base string
	// covers says that lower is what the image has at this path. Elsewhere the image has
	// nothing, or what is hidden.
	covers bool
}

// top is what describes the directory.
func (l layers) top() file {
	if l.upper != nil {
		return *l.upper
	}
	return *l.lower
}

// overlay is the system that a guest sees.
type overlay struct {
	ctx    context.Context
	src    Source
	budget *budget
	// changed has the disk's inodes of files of the image that have several names, by the
	// image's.
	changed map[uint32]uint32
	homes   map[string]layers
	// open are the directories from the root to the one that is read: a directory in
	// itself would never end.
	open map[place]bool
}

type place struct {
	fs   *ext4.FS
	node uint32
}

func newOverlay(ctx context.Context, src Source, b *budget) (*overlay, error) {
	o := &overlay{
		ctx: ctx, src: src, budget: b, changed: map[uint32]uint32{}, homes: map[string]layers{}, open: map[place]bool{},
	}
	if src.Disk == nil {
		return o, nil
	}
	for _, name := range []string{"root", "home"} {
		upper, err := o.lookup(src.Disk, "home/"+name+"/upper")
		if err != nil {
			return nil, err
		}
		if upper == nil || !upper.node.IsDir() {
			continue
		}
		lower, err := o.lookup(src.Image, name)
		if err != nil {
			return nil, err
		}
		if lower != nil && !lower.node.IsDir() {
			continue // the image keeps its homes elsewhere, in the system part
		}
		o.homes[name] = layers{upper: upper, lower: lower, base: name, covers: lower != nil}
	}
	return o, o.index()
}

// lookup finds a path of names below the root, without following links; nil: it is not
// there.
func (o *overlay) lookup(fs *ext4.FS, path string) (*file, error) {
	node, err := fs.Inode(ext4.RootInode)
	if err != nil {
		return nil, err
	}
	at := &file{fs: fs, node: node}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		if at, err = o.child(*at, name); at == nil {
			return nil, err
		}
	}
	return at, nil
}

// child finds a name in a directory, and pays for reading it; nil: it is not there.
func (o *overlay) child(dir file, name string) (*file, error) {
	if !dir.node.IsDir() {
		return nil, nil
	}
	if err := o.budget.directory(dir.node.Size); err != nil {
		return nil, err
	}
	found := listing{fs: dir.fs, names: map[string]uint32{}}
	err := dir.fs.ReadDir(o.ctx, dir.node, func(e ext4.Entry) error {
		if e.Name == name {
			found.names[name] = e.Inode
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found.get(name)
}

func (o *overlay) root() (layers, error) {
	lower, err := o.lookup(o.src.Image, "")
	if err != nil || o.src.Disk == nil {
		return layers{lower: lower, covers: true}, err
	}
	upper, err := o.lookup(o.src.Disk, "system/upper")
	if upper != nil && !upper.node.IsDir() {
		upper = nil
	}
	return layers{upper: upper, lower: lower, indexed: true, covers: true}, err
}

const (
	handleHeader = 21 // of overlayfs's file handle: version, magic, length, flags, type, UUID
	handleMagic  = 0xfb
	handleInode  = 1 // FILEID_INO32_GEN
)

// index reads which files of the image with several names were changed: their names in
// overlayfs's index are handles of the image's inodes.
func (o *overlay) index() error {
	dir, err := o.lookup(o.src.Disk, "system/work/index")
	if err != nil || dir == nil || !dir.node.IsDir() {
		return err
	}
	return o.entries(*dir, func(e ext4.Entry) error {
		handle, err := hex.DecodeString(e.Name)
		if err != nil || len(handle) < handleHeader+4 || handle[1] != handleMagic || handle[4] != handleInode {
			return nil //nolint:nilerr // a temporary file, or that of a directory
		}
		o.changed[binary.LittleEndian.Uint32(handle[handleHeader:])] = e.Inode
		return nil
	})
}

// made reports whether a directory that the image lacks is as every start makes it.
func (o *overlay) made(at string, dir layers) (bool, error) {
	n := dir.top().node
	if !o.src.Made("/"+at) || n.Mode != 0o755 || n.UID != 0 || n.GID != 0 {
		return false, nil
	}
	attrs, err := dir.top().fs.Xattrs(n)
	for key := range attrs {
		if takesXattr(n, key) {
			return false, err
		}
	}
	return true, err
}
