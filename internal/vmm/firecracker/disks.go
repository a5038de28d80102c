package firecracker

import (
	"fmt"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// serialBytes is how much of a serial virtio-blk has: VIRTIO_BLK_ID_BYTES.
const serialBytes = 20

// diskSerials are the serials that Firecracker gives to disks, by their names: the
// decimal digits of st_dev, st_rdev and st_ino of the file, cut to 20 bytes
// (build_device_id in its src/vmm/src/devices/virtio/block/virtio/device.rs). The guest
// could not tell apart two disks with the same.
func diskSerials(disks []vmm.Disk) (map[string]string, error) {
	serials, names := map[string]string{}, map[string]string{}
	for _, disk := range disks {
		stat, err := look(disk)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "cannot use a disk")
		}
		serial := serialOf(stat.Dev, stat.Rdev, stat.Ino)
		if other, taken := names[serial]; taken {
			return nil, fault.New(fault.Unavailable, "Firecracker cannot tell %s from %s: this filesystem has inode numbers that are too long", disk.Name, other).
				WithHint("use another driver, or move the state directory to another filesystem")
		}
		serials[disk.Name], names[serial] = serial, disk.Name
	}
	return serials, nil
}

// look is what the disk's file is, if that is what its Pin says.
func look(disk vmm.Disk) (*syscall.Stat_t, error) {
	f, err := disk.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("look at %s: no stat", disk.Path)
	}
	return stat, nil
}

// stillPinned looks at the disks again, once Firecracker has opened them by their paths: what
// was there before and is there after is what it has.
func stillPinned(disks []vmm.Disk) error {
	for _, disk := range disks {
		if disk.Pin == nil {
			continue
		}
		if _, err := look(disk); err != nil {
			return err
		}
	}
	return nil
}

func serialOf(dev, rdev, ino uint64) string {
	id := fmt.Sprintf("%d%d%d", dev, rdev, ino)
	return id[:min(len(id), serialBytes)]
}
