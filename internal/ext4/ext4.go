// Package ext4 reads ext4 filesystems in ordinary files, without root and without
// mounting them. It writes nothing: a journal that was not carried out is read as if
// it were.
//
// A filesystem may have been written by a hostile guest. Whatever it says is checked
// against the file's size, loops and lists are bounded, and what does not fit is a
// fault Invalid.
package ext4

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/fault"
)

// RootInode is the number of the root directory's inode.
const RootInode = 2

const (
	superblockAt   = 1024
	superblockSize = 1024
	magic          = 0xEF53

	compatHasJournal = 0x4

	incompatFiletype = 0x2
	incompatRecover  = 0x4
	incompatMetaBG   = 0x10
	incompatExtents  = 0x40
	incompat64Bit    = 0x80
	incompatFlexBG   = 0x200
	incompatSeed     = 0x2000
	incompatKnown    = incompatFiletype | incompatRecover | incompatMetaBG | incompatExtents | incompat64Bit |
		incompatFlexBG | incompatSeed

	roCompatSparseSuper = 0x1
	roCompatBigalloc    = 0x200

	journalInode = 8
)

// FS is a filesystem in a file. Its methods are safe for concurrent use when the
// file's ReadAt is. It holds nothing that needs closing.
type FS struct {
	r    io.ReaderAt
	size int64

	blockSize      int64
	blocks         uint64
	firstBlock     uint64
	blocksPerGroup uint64
	inodes         uint32
	inodesPerGroup uint32
	inodeSize      int64
	descSize       int64
	groups         uint64
	firstMetaBG    uint64
	metaBG         bool
	sparseSuper    bool

	// replayed is where the journal has a newer copy of a block.
	replayed map[uint64]copied
}

// Open reads the superblock of a filesystem of size bytes, and its journal when that
// was not carried out. r must not change as long as the FS is used. What is not ext4,
// is damaged, or has features that are not known is a fault Invalid. It ends with
// ctx's error when that ends.
func Open(ctx context.Context, r io.ReaderAt, size int64) (*FS, error) {
	fs := &FS{r: r, size: size}
	var raw [superblockSize]byte
	if size < superblockAt+superblockSize {
		return nil, damaged("it has only %d bytes", size)
	}
	if _, err := r.ReadAt(raw[:], superblockAt); err != nil {
		return nil, fmt.Errorf("read the superblock: %w", err)
	}
	if err := fs.superblock(raw[:]); err != nil {
		return nil, err
	}
	if u32(raw[92:])&compatHasJournal != 0 && u32(raw[96:])&incompatRecover != 0 {
		if err := fs.replay(ctx); err != nil {
			return nil, err
		}
	}
	return fs, nil
}

func damaged(format string, args ...any) error {
	return fault.New(fault.Invalid, "the ext4 filesystem is damaged: %s", fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fault.New(fault.Invalid, "cannot read the ext4 filesystem: %s", fmt.Sprintf(format, args...))
}

func (fs *FS) superblock(b []byte) error {
	if u16(b[56:]) != magic {
		return fault.New(fault.Invalid, "the file has no ext4 filesystem")
	}
	logSize, incompat, roCompat := u32(b[24:]), u32(b[96:]), u32(b[100:])
	switch {
	case logSize > 6:
		return damaged("its block size is 1024 << %d", logSize)
	case incompat&^incompatKnown != 0:
		return unsupported("it has the features %#x", incompat&^incompatKnown)
	case incompat&incompatFiletype == 0 || roCompat&roCompatBigalloc != 0:
		return unsupported("it has no file types in directories, or allocates in clusters")
	}
	fs.blockSize = 1024 << logSize
	fs.blocks, fs.firstBlock = uint64(u32(b[4:])), uint64(u32(b[20:]))
	fs.descSize = 32
	if incompat&incompat64Bit != 0 {
		fs.blocks |= uint64(u32(b[336:])) << 32
		fs.descSize = int64(u16(b[254:]))
	}
	fs.blocksPerGroup, fs.inodes = uint64(u32(b[32:])), u32(b[0:])
	fs.inodesPerGroup, fs.inodeSize = u32(b[40:]), int64(u16(b[88:]))
	if u32(b[76:]) == 0 {
		fs.inodeSize = 128
	}
	fs.metaBG, fs.firstMetaBG = incompat&incompatMetaBG != 0, uint64(u32(b[260:]))
	fs.sparseSuper = roCompat&roCompatSparseSuper != 0
	return fs.checkGeometry()
}

func (fs *FS) checkGeometry() error {
	switch {
	case fs.blocks == 0 || fs.blocks > uint64(fs.size/fs.blockSize):
		return damaged("it has %d blocks of %d bytes in a file of %d", fs.blocks, fs.blockSize, fs.size)
	case fs.blocksPerGroup == 0 || fs.blocksPerGroup > uint64(8*fs.blockSize) || fs.firstBlock >= fs.blocks:
		return damaged("its groups have %d blocks", fs.blocksPerGroup)
	case fs.inodesPerGroup == 0 || int64(fs.inodesPerGroup) > 8*fs.blockSize:
		return damaged("its groups have %d inodes", fs.inodesPerGroup)
	case fs.inodeSize < 128 || fs.inodeSize > fs.blockSize || fs.inodeSize&(fs.inodeSize-1) != 0:
		return damaged("its inodes have %d bytes", fs.inodeSize)
	case fs.descSize < 32 || fs.descSize > 1024 || fs.descSize&(fs.descSize-1) != 0:
		return damaged("its group descriptors have %d bytes", fs.descSize)
	}
	fs.groups = (fs.blocks - fs.firstBlock + fs.blocksPerGroup - 1) / fs.blocksPerGroup
	return nil
}

// block reads one block, as the journal leaves it, into b.
func (fs *FS) block(n uint64, b []byte) error {
	if n >= fs.blocks {
		return damaged("block %d of %d is used", n, fs.blocks)
	}
	return fs.readIn(n, 0, b)
}

// readIn reads len(b) bytes of the block n from offset at, which must be in it.
func (fs *FS) readIn(n uint64, at int64, b []byte) error {
	from := int64(n) * fs.blockSize
	newer, replayed := fs.replayed[n]
	if replayed {
		from = newer.at
	}
	if _, err := fs.r.ReadAt(b, from+at); err != nil {
		if errors.Is(err, io.EOF) {
			return damaged("block %d is beyond the end of the file", n)
		}
		return fmt.Errorf("read block %d: %w", n, err)
	}
	if replayed && newer.escaped && at < 4 {
		var escaped [4]byte
		binary.BigEndian.PutUint32(escaped[:], journalMagic)
		copy(b, escaped[at:])
	}
	return nil
}

// descriptor returns where the descriptor of a group is.
func (fs *FS) descriptor(group uint64) (block uint64, at int64) {
	perBlock := uint64(fs.blockSize / fs.descSize)
	meta, at := group/perBlock, int64(group%perBlock)*fs.descSize
	if !fs.metaBG || meta < fs.firstMetaBG {
		return fs.firstBlock + 1 + meta, at
	}
	first := meta * perBlock
	block = fs.firstBlock + first*fs.blocksPerGroup
	if fs.hasSuper(first) {
		block++
	}
	return block, at
}

// hasSuper reports whether a group begins with a copy of the superblock.
func (fs *FS) hasSuper(group uint64) bool {
	if group <= 1 || !fs.sparseSuper {
		return true
	}
	for _, base := range []uint64{3, 5, 7} {
		n := base
		for n < group {
			n *= base
		}
		if n == group {
			return true
		}
	}
	return false
}
