// Package guesttree reads the files of a VM as its guest sees them: those of its image
// under what the VM's disk has over them. It mounts nothing, and writes them as one tar
// stream in a fixed order, or only what the disk changes as a layer.
//
// The VM's disk was written by a guest: how many files it has, how long their names
// are, and how much is in them is bounded.
package guesttree

import (
	"cmp"
	"context"
	"io"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/fault"
)

// Limits bound what one tree may take of the host. Zero fields have defaults.
type Limits struct {
	Bytes   int64 // content, with holes; 64 GiB
	Entries int64 // names, hidden ones too; 2 Mi
	Names   int64 // bytes of names, link targets and attributes; 256 MiB
	Blocks  int64 // of directories; 4 Mi
}

// Source is what a tree is read from.
type Source struct {
	// Image is the image's root filesystem.
	Image *ext4.FS
	// Disk is the VM's disk; nil: the tree is the image's.
	Disk *ext4.FS
	// Own reports whether a path, absolute and clean, is of the VM and not of its
	// system. There the tree has what the image has.
	Own func(path string) bool
	// Made reports whether a start makes a directory at a path, absolute and clean, which
	// the image lacks. The tree has it only if the guest changed it, or put something in it.
	Made   func(path string) bool
	Limits Limits
}

// WriteTar writes the tree to w. The same files give the same bytes. Sockets are left
// out, as are attributes but security.* and user.*. A tree beyond its Limits, and a
// damaged filesystem, are a fault Invalid. It ends with ctx's error when that ends.
func WriteTar(ctx context.Context, w io.Writer, src Source) error {
	return write(ctx, w, src, nil)
}

// WriteLayer writes what the disk changes of the image, as a layer of the OCI image
// specification ("Image Layer Filesystem Changeset"): applied over the image's files it
// gives the tree that WriteTar writes. Its errors are those of WriteTar, and a fault
// Invalid for a name that begins as a whiteout's does.
func WriteLayer(ctx context.Context, w io.Writer, src Source) error {
	return write(ctx, w, src, &changes{kept: map[place]bool{}})
}

func write(ctx context.Context, w io.Writer, src Source, layer *changes) error {
	l := src.Limits
	if src.Own == nil {
		src.Own = func(string) bool { return false }
	}
	if src.Made == nil {
		src.Made = func(string) bool { return false }
	}
	b := &budget{limits: Limits{
		Bytes: cmp.Or(l.Bytes, 64<<30), Entries: cmp.Or(l.Entries, 2<<20),
		Names: cmp.Or(l.Names, 256<<20), Blocks: cmp.Or(l.Blocks, 4<<20),
	}}
	o, err := newOverlay(ctx, src, b)
	if err != nil {
		return err
	}
	root, err := o.root()
	if err != nil {
		return err
	}
	out := newWriter(ctx, w, b)
	out.layer = layer
	if err := out.dir("./", root.top()); err != nil {
		return err
	}
	if err := o.walk(root, "", out); err != nil {
		return err
	}
	return out.tar.Close()
}

// budget is what a tree has taken.
type budget struct {
	limits Limits
	taken  Limits
}

func (b *budget) bytes(n int64) error {
	if b.taken.Bytes += n; n > b.limits.Bytes || b.taken.Bytes > b.limits.Bytes {
		return fault.New(fault.Invalid, "the files have more than %s", fault.Bytes(b.limits.Bytes))
	}
	return nil
}

func (b *budget) entry(names int) error {
	if b.taken.Entries++; b.taken.Entries > b.limits.Entries {
		return fault.New(fault.Invalid, "there are more than %d files", b.limits.Entries)
	}
	return b.names(names)
}

func (b *budget) names(n int) error {
	if b.taken.Names += int64(n); b.taken.Names > b.limits.Names {
		return fault.New(fault.Invalid, "the names and attributes of files take more than %s", fault.Bytes(b.limits.Names))
	}
	return nil
}

// directory pays for reading one. A guest can have many over the same blocks.
func (b *budget) directory(size int64) error {
	const block = 4096
	if b.taken.Blocks += (size + block - 1) / block; b.taken.Blocks > b.limits.Blocks {
		return fault.New(fault.Invalid, "the directories have more than %s", fault.Bytes(b.limits.Blocks*block))
	}
	return nil
}
