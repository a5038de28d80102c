package statedir

import (
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

const (
	// roomStep is how much is written between two looks at what is free.
	roomStep = 16 << 20
	// maxReserve bounds what is left free.
	maxReserve = 1 << 30
)

// Room keeps a filesystem from being filled by work that can be refused: a
// twentieth of it, and at most 1 GiB, is left to the disks of running VMs, which
// stop when there is none. It is safe for concurrent use.
type Room struct {
	dir   string
	taken atomic.Int64
	stat  func(dir string) (free, total int64, err error)
}

// NewRoom returns the Room of the filesystem that holds dir.
func NewRoom(dir string) *Room { return &Room{dir: dir, stat: freeSpace} }

// Take is called before n bytes are written. It is a fault Unavailable when they
// would not leave enough.
func (r *Room) Take(n int64) error {
	after := r.taken.Add(n)
	if after/roomStep == (after-n)/roomStep {
		return nil
	}
	free, total, err := r.stat(r.dir)
	if err != nil {
		return fmt.Errorf("look at the free space of %s: %w", r.dir, err)
	}
	if reserve := min(total/20, maxReserve); free < reserve {
		return fault.New(fault.Unavailable, "only %s are free in %s, and %s are reserved for running VMs", fault.Bytes(free), r.dir, fault.Bytes(reserve)).
			WithHint("free some space there: %s, or %s", act.ImageDelete.On(""), act.VMDelete.On(""))
	}
	return nil
}

func freeSpace(dir string) (free, total int64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	return int64(fs.Bavail) * fs.Bsize, int64(fs.Blocks) * fs.Bsize, nil
}
