package rootfs

import (
	"encoding/binary"
	"fmt"
	"os"
)

// Offsets in the ext4 superblock, which begins at byte 1024, and in the 32-byte
// group descriptors: Documentation/filesystems/ext4 of the Linux kernel.
const (
	superblockOffset   = 1024
	superblockSize     = 1024
	sbBlocksCount      = 0x04
	sbBlocksPerGroup   = 0x20
	sbInodesPerGroup   = 0x28
	sbMagic            = 0x38
	sbUUID             = 0x68
	ext4Magic          = 0xEF53
	blockSize          = 4096
	descriptorSize     = 32
	gdInodeBitmap      = 4
	inodesPerBitmapMax = blockSize * 8
)

// finish gives the filesystem its UUID, sets the padding bits of the inode
// bitmaps, which the writer leaves clear and e2fsck wants set.
func finish(f *os.File, uuid [16]byte) error {
	var sb [superblockSize]byte
	if _, err := f.ReadAt(sb[:], superblockOffset); err != nil {
		return fmt.Errorf("read the superblock: %w", err)
	}
	if magic := binary.LittleEndian.Uint16(sb[sbMagic:]); magic != ext4Magic {
		return fmt.Errorf("the superblock's magic is %#x, not %#x", magic, ext4Magic)
	}
	if err := padInodeBitmaps(f, sb[:]); err != nil {
		return err
	}
	copy(sb[sbUUID:], uuid[:])
	_, err := f.WriteAt(sb[:], superblockOffset)
	return err
}

func padInodeBitmaps(f *os.File, sb []byte) error {
	blocks := binary.LittleEndian.Uint32(sb[sbBlocksCount:])
	perGroup := binary.LittleEndian.Uint32(sb[sbBlocksPerGroup:])
	inodes := binary.LittleEndian.Uint32(sb[sbInodesPerGroup:])
	if perGroup == 0 || inodes == 0 || inodes%8 != 0 || inodes > inodesPerBitmapMax {
		return fmt.Errorf("odd superblock: %d blocks and %d inodes a group", perGroup, inodes)
	}
	padding := make([]byte, (inodesPerBitmapMax-inodes)/8)
	for i := range padding {
		padding[i] = 0xff
	}
	groups := (blocks + perGroup - 1) / perGroup
	descriptors := make([]byte, groups*descriptorSize)
	if _, err := f.ReadAt(descriptors, blockSize); err != nil {
		return fmt.Errorf("read the group descriptors: %w", err)
	}
	for g := range groups {
		bitmap := binary.LittleEndian.Uint32(descriptors[g*descriptorSize+gdInodeBitmap:])
		at := int64(bitmap)*blockSize + int64(inodes/8)
		if _, err := f.WriteAt(padding, at); err != nil {
			return err
		}
	}
	return nil
}
