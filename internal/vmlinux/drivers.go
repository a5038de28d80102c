package vmlinux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
)

// needed are drivers without which no guest gets its disks, by the names with which they
// register: a kernel that has one built in has its name, with the zero byte after it.
func needed() []string { return []string{"virtio-mmio", "virtio_blk", "ext4", "overlay"} }

// lacks are the needed drivers that are surely not in the uncompressed kernel, with commas
// between. A name that is there for another reason counts as a driver.
func lacks(ctx context.Context, r io.Reader) (string, error) {
	missing := needed()
	const chunk, longest = 1 << 20, 64
	buf := make([]byte, 0, chunk+longest)
	for {
		n, err := io.ReadFull(&contextReader{ctx, r}, buf[len(buf):len(buf)+chunk])
		buf = buf[:len(buf)+n]
		var left []string
		for _, name := range missing {
			if !bytes.Contains(buf, []byte(name+"\x00")) {
				left = append(left, name)
			}
		}
		missing = left
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && len(missing) == 0:
			return strings.Join(missing, ", "), nil
		case err != nil:
			return "", err
		}
		buf = append(buf[:0], buf[len(buf)-longest:]...) // a name may be across the border
	}
}
