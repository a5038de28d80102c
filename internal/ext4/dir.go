package ext4

import (
	"bytes"
	"context"
	"io"
	"strings"
)

// maxDirBytes bounds what is read of one directory: some ten million names.
const maxDirBytes = 1 << 30

// Entry is a name in a directory.
type Entry struct {
	Name  string
	Inode uint32
}

// ReadDir calls each for the names in a directory, in no order, without "." and "..".
// An error of each ends it and is returned as it is. Names that no filesystem may have
// are a fault Invalid.
func (fs *FS) ReadDir(ctx context.Context, dir *Inode, each func(Entry) error) error {
	if !dir.IsDir() {
		return damaged("inode %d is not a directory", dir.Number)
	}
	if dir.Size > maxDirBytes {
		return damaged("the directory of inode %d has %d bytes", dir.Number, dir.Size)
	}
	r, err := fs.Content(ctx, dir)
	if err != nil {
		return err
	}
	block := make([]byte, fs.blockSize)
	for range dir.Size / fs.blockSize {
		if _, err := io.ReadFull(r, block); err != nil {
			return err
		}
		if err := entries(dir, block, each); err != nil {
			return err
		}
	}
	return nil
}

// entries reads one block of a directory. Those of a hash tree look like blocks with
// one unused entry.
func entries(dir *Inode, b []byte, each func(Entry) error) error {
	for len(b) >= 8 {
		inode, length, name := u32(b[0:]), int(u16(b[4:])), int(b[6])
		if length == 0 || length == 1<<16-1 { // the rest of a block of 64 KiB
			length = len(b)
		}
		if length == len(b) && inode == 0 {
			return nil
		}
		if length < 8 || length%4 != 0 || length > len(b) || name > length-8 {
			return damaged("the directory of inode %d", dir.Number)
		}
		if inode != 0 {
			e := Entry{Name: string(b[8 : 8+name]), Inode: inode}
			if e.Name == "" || strings.ContainsAny(e.Name, "/\x00") {
				return damaged("the directory of inode %d has the name %q", dir.Number, e.Name)
			}
			if e.Name != "." && e.Name != ".." {
				if err := each(e); err != nil {
					return err
				}
			}
		}
		b = b[length:]
	}
	return nil
}

// maxLookupBytes bounds what one Lookup reads of directories: some hundred thousand
// names.
const maxLookupBytes = 16 << 20

// Lookup returns the inode at a path of names below the root, without following links.
// A path that is not there returns nil. One through directories that are larger than a
// system's ever are is a fault Invalid.
func (fs *FS) Lookup(ctx context.Context, path string) (*Inode, error) {
	at, err := fs.Inode(RootInode)
	left := int64(maxLookupBytes)
	for name := range strings.SplitSeq(path, "/") {
		if err != nil || at == nil || name == "" {
			continue
		}
		if left -= at.Size; left < 0 && at.IsDir() {
			return nil, damaged("the directories above %q have more than %d bytes", path, maxLookupBytes)
		}
		at, err = fs.child(ctx, at, name)
	}
	return at, err
}

func (fs *FS) child(ctx context.Context, dir *Inode, name string) (*Inode, error) {
	if !dir.IsDir() {
		return nil, nil
	}
	number := uint32(0)
	err := fs.ReadDir(ctx, dir, func(e Entry) error {
		if e.Name == name {
			number = e.Inode
		}
		return nil
	})
	if err != nil || number == 0 {
		return nil, err
	}
	return fs.Inode(number)
}

// maxTarget bounds the target of a link, in bytes.
const maxTarget = 4095

// Readlink returns the target of a symbolic link.
func (fs *FS) Readlink(ctx context.Context, n *Inode) (string, error) {
	if n.Type != TypeSymlink || n.Size == 0 || n.Size > maxTarget {
		return "", damaged("the link of inode %d has %d bytes", n.Number, n.Size)
	}
	target := make([]byte, n.Size)
	if n.Size < int64(len(n.blocks)) && n.flags&flagExtents == 0 {
		copy(target, n.blocks[:])
	} else {
		r, err := fs.Content(ctx, n)
		if err != nil {
			return "", err
		}
		if _, err := io.ReadFull(r, target); err != nil {
			return "", err
		}
	}
	if bytes.IndexByte(target, 0) >= 0 {
		return "", damaged("the link of inode %d ends before its size", n.Number)
	}
	return string(target), nil
}
