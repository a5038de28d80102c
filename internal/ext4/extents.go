package ext4

import (
	"context"
	"io"
)

const (
	extentMagic = 0xF30A
	maxDepth    = 5
	// maxExtents bounds the pieces of one file: 128 GiB in pieces of 128 KiB.
	maxExtents = 1 << 20
	// unwritten is added to the length of an extent that reads as zeros.
	unwritten = 1 << 15
)

// extent is a piece of a file: count blocks from first of the file are at at.
type extent struct {
	first uint64
	count uint64
	at    uint64
}

// extents returns where the file's blocks are up to its size, in order. What is between
// is holes. What it reads is in proportion to the size: a small file costs little,
// whatever its tree says.
func (fs *FS) extents(ctx context.Context, n *Inode) ([]extent, error) {
	switch {
	case n.flags&flagInline != 0 || n.flags&flagEncrypt != 0:
		return nil, unsupported("inode %d is encrypted, or has its content in the inode", n.Number)
	case n.flags&flagExtents == 0:
		return nil, unsupported("inode %d has no extents", n.Number)
	}
	size := uint64((n.Size + fs.blockSize - 1) / fs.blockSize)
	w := &extentWalk{ctx: ctx, fs: fs, inode: n.Number, end: size, nodes: min(maxExtents, (maxDepth+1)*(size+1))}
	if err := w.node(n.blocks[:], maxDepth+1); err != nil {
		return nil, err
	}
	return w.found, nil
}

type extentWalk struct {
	ctx   context.Context
	fs    *FS
	inode uint32
	found []extent
	nodes uint64 // how many more may be read
	next  uint64 // the first block of the file that may follow
	end   uint64 // the first block beyond the file's size: the rest is only reserved
}

// node reads a node of the tree, which must be less deep than limit.
func (w *extentWalk) node(b []byte, limit uint16) error {
	entries, depth := int(u16(b[2:])), u16(b[6:])
	if u16(b[0:]) != extentMagic || depth >= limit || 12+12*entries > len(b) {
		return damaged("the extents of inode %d", w.inode)
	}
	if w.nodes == 0 {
		return damaged("the extents of inode %d are in too many blocks for its size", w.inode)
	}
	w.nodes--
	if err := w.ctx.Err(); err != nil {
		return err
	}
	for i := range entries {
		e := b[12+12*i:]
		if uint64(u32(e)) >= w.end {
			return nil
		}
		if depth == 0 {
			if err := w.leaf(e); err != nil {
				return err
			}
			continue
		}
		child := make([]byte, w.fs.blockSize)
		if err := w.fs.block(uint64(u32(e[4:]))|uint64(u16(e[8:]))<<32, child); err != nil {
			return err
		}
		if err := w.node(child, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *extentWalk) leaf(e []byte) error {
	first, count := uint64(u32(e[0:])), uint64(u16(e[4:]))
	at := uint64(u32(e[8:])) | uint64(u16(e[6:]))<<32
	zeros := count > unwritten
	if zeros {
		count -= unwritten
	}
	if count == 0 || first < w.next || at+count > w.fs.blocks || len(w.found) >= maxExtents {
		return damaged("the extents of inode %d", w.inode)
	}
	w.next = first + count
	if !zeros {
		w.found = append(w.found, extent{first: first, count: count, at: at})
	}
	return nil
}

// Content returns the bytes of a regular file, or of a directory, with zeros for its
// holes. The reader ends with ctx's error when that ends.
func (fs *FS) Content(ctx context.Context, n *Inode) (io.Reader, error) {
	found, err := fs.extents(ctx, n)
	if err != nil {
		return nil, err
	}
	return &content{ctx: ctx, fs: fs, extents: found, size: n.Size}, nil
}

type content struct {
	ctx     context.Context
	fs      *FS
	extents []extent
	size    int64
	at      int64
}

// Read implements io.Reader.
func (c *content) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if c.at >= c.size {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), c.size-c.at)]
	block := uint64(c.at / c.fs.blockSize)
	for len(c.extents) > 0 && c.extents[0].first+c.extents[0].count <= block {
		c.extents = c.extents[1:]
	}
	if len(c.extents) == 0 || block < c.extents[0].first {
		if len(c.extents) > 0 {
			b = b[:min(int64(len(b)), int64(c.extents[0].first)*c.fs.blockSize-c.at)]
		}
		clear(b)
		c.at += int64(len(b))
		return len(b), nil
	}
	b, err := c.data(b, block)
	c.at += int64(len(b))
	return len(b), err
}

// data reads what the first extent has at the place, at once where the journal has
// nothing newer.
func (c *content) data(b []byte, block uint64) ([]byte, error) {
	e, in := c.extents[0], c.at%c.fs.blockSize
	from := e.at + block - e.first
	most := int64(e.count-(block-e.first))*c.fs.blockSize - in
	if len(c.fs.replayed) > 0 {
		most = c.fs.blockSize - in
	}
	b = b[:min(int64(len(b)), most)]
	if err := c.fs.readIn(from, in, b); err != nil {
		return nil, err
	}
	return b, nil
}
