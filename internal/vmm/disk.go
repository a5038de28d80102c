package vmm

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Disk is one virtio-blk device.
type Disk struct {
	Name     string // unique in the machine; see Machine.DiskSerial
	Path     string
	ReadOnly bool
	// Pin is what the file at Path must be; nil: whatever is there.
	Pin *Pin
}

// Pin tells a file from others, and from itself after a change.
type Pin struct {
	Bytes      int64
	ModifiedAt time.Time
	Inode      uint64
}

// Open opens the disk's file, for a driver to pass to its VMM. One that is not what Pin says is
// Unavailable: the look is at the open file, so that no other can take its place in between.
// The caller closes it.
func (d Disk) Open() (_ *os.File, err error) {
	flag := os.O_RDWR
	if d.ReadOnly {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(d.Path, flag|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the disk %s: %w", d.Name, err)
	}
	if err := d.check(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d Disk) check(f *os.File) error {
	info, err := f.Stat()
	if err != nil || d.Pin == nil {
		return err
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if ok && info.Mode().IsRegular() && info.Size() == d.Pin.Bytes && info.ModTime().Equal(d.Pin.ModifiedAt) && sys.Ino == d.Pin.Inode {
		return nil
	}
	return fault.New(fault.Unavailable, "%s has changed since it was registered as an image", d.Path).
		WithHint("put the file back as it was, or verify and repair the image")
}
