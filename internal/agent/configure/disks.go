package configure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/device"
)

func (c *configuring) disks(ctx context.Context) error {
	image, err := device.Disk(ctx, c.cfg.Disks.Image)
	if err != nil {
		return err
	}
	// noload: an image disk needs no journal, and cannot replay one.
	if err := mount(image, dirImage, "ext4", unix.MS_RDONLY|unix.MS_NOATIME, "noload"); err != nil {
		return err
	}
	disk, err := device.Disk(ctx, c.cfg.Disks.VM)
	if err == nil {
		err = mount(disk, DirVM, "ext4", unix.MS_NOATIME, "discard")
	}
	switch {
	case err == nil:
		if err := grow(disk, DirVM); err != nil {
			c.note("%v", err) // a full or damaged disk is still as large as it was
		}
		return nil
	case c.cfg.Init.Rescue:
		c.note("cannot mount the VM's disk, so everything written is lost: %v", err)
		return mount("tmpfs", DirVM, "tmpfs", unix.MS_NOATIME, "")
	default:
		return err
	}
}

// mount mounts at target, which it makes.
func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mount %s (%s) at %s: %w", source, fstype, target, err)
	}
	return nil
}

// Of the ext4 superblock, at byte 1024 of the disk:
// docs.kernel.org/filesystems/ext4/globals.html#super-block.
const (
	superOffset    = 1024
	superSize      = 1024
	superBlocksLo  = 0x4
	superLogBlock  = 0x18
	superPerGroup  = 0x20
	superMagic     = 0x38
	superIncompat  = 0x60
	superBlocksHi  = 0x150
	ext4Magic      = 0xef53
	incompat64Bit  = 0x80
	maxLogBlock    = 6
	extResizeIoctl = 0x40086610 // EXT4_IOC_RESIZE_FS: _IOW('f', 16, __u64)
)

// grow makes the filesystem as large as its disk, online.
func grow(disk, mounted string) error {
	dev, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer func() { _ = dev.Close() }()
	super := make([]byte, superSize)
	if _, err := dev.ReadAt(super, superOffset); err != nil {
		return fmt.Errorf("read the superblock of %s: %w", disk, err)
	}
	size, err := dev.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	blocks, larger, err := wanted(super, size)
	if err != nil || !larger {
		return err
	}
	dir, err := os.Open(mounted)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if err := ioctl(dir, extResizeIoctl, unsafe.Pointer(&blocks)); err != nil {
		return fmt.Errorf("grow the filesystem on %s to %d bytes: %w", disk, size, err)
	}
	return nil
}

// wanted returns how many blocks a filesystem should have on a disk of size
// bytes, and whether that is worth growing: a rest smaller than a few blocks of
// a new group's metadata cannot be used.
func wanted(super []byte, size int64) (blocks uint64, larger bool, err error) {
	le := binary.LittleEndian
	logBlock := le.Uint32(super[superLogBlock:])
	if le.Uint16(super[superMagic:]) != ext4Magic || logBlock > maxLogBlock {
		return 0, false, errors.New("the VM disk holds no ext4")
	}
	have := uint64(le.Uint32(super[superBlocksLo:]))
	if le.Uint32(super[superIncompat:])&incompat64Bit != 0 {
		have |= uint64(le.Uint32(super[superBlocksHi:])) << 32
	}
	blocks = uint64(size) >> (10 + logBlock)
	return blocks, blocks > have+uint64(le.Uint32(super[superPerGroup:]))/16, nil
}

func ioctl(f *os.File, req uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), uintptr(req), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
