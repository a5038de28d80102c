package device

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// diskTimeout bounds the wait for a disk that the host said is there.
const diskTimeout = 15 * time.Second

// Sys is where sysfs is mounted.
const Sys = "/sys"

// Port returns the device of the virtio-serial port called name, or "" when
// there is none (yet).
func Port(sys, name string) (string, error) {
	return byAttribute(filepath.Join(sys, "class/virtio-ports/*/name"), name)
}

// Disk returns the device of the virtio disk with this serial, and waits for it.
func Disk(ctx context.Context, serial string) (dev string, err error) {
	ctx, cancel := context.WithTimeout(ctx, diskTimeout)
	defer cancel()
	err = Await(ctx, func() (bool, error) {
		dev, err = DiskNow(Sys, serial)
		return dev != "", err
	})
	if err != nil {
		return "", fmt.Errorf("find the disk %q: %w", serial, err)
	}
	return dev, nil
}

// DiskNow returns the device of the virtio disk with this serial, or "".
func DiskNow(sys, serial string) (string, error) {
	return byAttribute(filepath.Join(sys, "block/*/serial"), serial)
}

func byAttribute(pattern, value string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && strings.TrimRight(string(data), "\n\x00 ") == value {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(file))), nil
		}
	}
	return "", nil
}
