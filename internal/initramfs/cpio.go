package initramfs

import (
	"bufio"
	"fmt"
	"io"
	"math"
)

// File types of an archive's entries, as in stat(2).
const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeChar = 0o020000
)

// entry is one file of an archive.
type entry struct {
	name         string // relative, without "./"
	mode         uint32 // type and permissions
	major, minor uint32 // of a device
	size         int64
	data         io.Reader // of exactly size bytes; nil when there are none
}

// writer writes the archive format "newc" of the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst. All files belong
// to root and are of the epoch, so that the same entries make the same archive.
type writer struct {
	w   *bufio.Writer
	n   int64
	ino uint32
}

func newWriter(w io.Writer) *writer { return &writer{w: bufio.NewWriterSize(w, 1<<20)} }

const trailer = "TRAILER!!!"

// add writes one entry. Its directory must have been added before.
func (c *writer) add(e entry) error {
	if e.size > math.MaxUint32 {
		return fmt.Errorf("%s: %d bytes are too many for an initramfs", e.name, e.size)
	}
	links := uint32(1)
	if e.mode&typeDir == typeDir {
		links = 2
	}
	c.ino++
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.ino, e.mode, 0, 0, links, 0, e.size, 0, 0, e.major, e.minor, len(e.name)+1, 0)
	if err := c.write([]byte(header + e.name + "\x00")); err != nil {
		return err
	}
	if err := c.pad(); err != nil || e.data == nil {
		return err
	}
	n, err := io.Copy(c.w, io.LimitReader(e.data, e.size))
	c.n += n
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	if n != e.size {
		return fmt.Errorf("%s: %d bytes, expected %d", e.name, n, e.size)
	}
	return c.pad()
}

// close writes the end of the archive. It does not close the writer below.
func (c *writer) close() error {
	if err := c.add(entry{name: trailer}); err != nil {
		return err
	}
	return c.w.Flush()
}

func (c *writer) write(p []byte) error {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return err
}

// pad fills up to a multiple of 4 bytes.
func (c *writer) pad() error { return c.write(make([]byte, -c.n&3)) }
