package diskuse

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	fiemapIoctl  = 0xC020660B // FS_IOC_FIEMAP: _IOWR('f', 11, struct fiemap), fs.h
	extentLast   = 0x1
	extentShared = 0x2000
	// noPlace are the flags of extents that have no place on the device, or none of
	// their own.
	noPlace = 0x2 | 0x4 | 0x200 | 0x400

	extentsPerCall = 256
	// maxCalls bounds what is asked of one file. The rest counts as not shared.
	maxCalls = 256
)

// fiemap is what FS_IOC_FIEMAP takes and returns.
type fiemap struct {
	start, length                    uint64
	flags, mapped, extents, reserved uint32
	found                            [extentsPerCall]fiemapExtent
}

type fiemapExtent struct {
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

// sharedExtents returns the parts of a file that other files may share. On a
// filesystem that cannot tell there are none.
func sharedExtents(path string) ([]span, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	var shared []span
	var m fiemap
	at := uint64(0)
	for range maxCalls {
		m.start, m.length, m.extents, m.mapped = at, ^uint64(0)-at, extentsPerCall, 0
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fiemapIoctl, uintptr(unsafe.Pointer(&m))); errno != 0 {
			return shared, errno
		}
		for _, e := range m.found[:min(m.mapped, extentsPerCall)] {
			if e.flags&extentShared != 0 && e.flags&noPlace == 0 {
				shared = append(shared, span{e.physical, e.physical + e.length})
			}
			if e.flags&extentLast != 0 {
				return shared, nil
			}
			at = e.logical + e.length
		}
		if m.mapped == 0 {
			return shared, nil
		}
	}
	return shared, nil
}
