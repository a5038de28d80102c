package sockets

import (
	"bytes"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// counters are the numbers of sockets that the kernel tells for nothing, in
// /proc/net/sockstat and sockstat6. The files stay open, so that asking is one
// system call each.
type counters struct {
	files [2]*os.File
	buf   [4 << 10]byte
}

// openCounters returns nil where the kernel does not tell.
func openCounters(proc string) *counters {
	c := &counters{}
	for i, name := range []string{"sockstat", "sockstat6"} {
		f, err := os.Open(filepath.Join(proc, "net", name))
		if err != nil {
			c.close()
			return nil
		}
		c.files[i] = f
	}
	return c
}

func (c *counters) close() {
	for _, f := range c.files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// read returns "inuse" and "alloc" of TCP and UDP as text; empty: they cannot be
// read.
func (c *counters) read() string {
	var numbers []byte
	for _, f := range c.files {
		// Not ReadAt, which asks again for what is behind the end.
		n, err := unix.Pread(int(f.Fd()), c.buf[:], 0)
		if err != nil {
			return ""
		}
		for line := range bytes.Lines(c.buf[:n]) {
			if !bytes.HasPrefix(line, []byte("TCP")) && !bytes.HasPrefix(line, []byte("UDP")) {
				continue
			}
			fields := bytes.Fields(line)
			for i := 1; i+1 < len(fields); i += 2 {
				if key := string(fields[i]); key == "inuse" || key == "alloc" {
					numbers = append(append(numbers, fields[i+1]...), ' ')
				}
			}
		}
	}
	return string(numbers)
}
