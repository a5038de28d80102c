package templatestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// A stored memory is pieces in ascending order: the offset and the length of each in eight bytes,
// big-endian, then its bytes. The last piece has no bytes, and the memory's size for its offset.
// What is in no piece is zero.

const (
	pieceHead = 16
	// page is what is looked at for zeros, and chunk the longest piece.
	page  = 4 << 10
	chunk = 1 << 20
)

// writeMemory writes what is not zero of a file in memory.
func writeMemory(w io.Writer, memory *os.File) error {
	info, err := memory.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	buf := make([]byte, chunk)
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(memory.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // only a hole is left
		}
		if err != nil {
			return fmt.Errorf("find what was used of the memory: %w", err)
		}
		data -= data % page
		n := min(chunk, size-data)
		if _, err := memory.ReadAt(buf[:n], data); err != nil {
			return fmt.Errorf("read the memory: %w", err)
		}
		if err := writePieces(w, data, buf[:n]); err != nil {
			return err
		}
		at = data + n
	}
	return writeHead(w, size, 0)
}

// writePieces writes the pages of data that are not zero.
func writePieces(w io.Writer, at int64, data []byte) error {
	for len(data) > 0 {
		n := run(data)
		if zero(data[:min(page, len(data))]) {
			at, data = at+int64(n), data[n:]
			continue
		}
		if err := writeHead(w, at, int64(n)); err != nil {
			return err
		}
		if _, err := w.Write(data[:n]); err != nil {
			return err
		}
		at, data = at+int64(n), data[n:]
	}
	return nil
}

// run is how many bytes from the start of data are in pages like the first: zero, or not.
func run(data []byte) int {
	first := zero(data[:min(page, len(data))])
	n := min(page, len(data))
	for n < len(data) && zero(data[n:min(n+page, len(data))]) == first {
		n = min(n+page, len(data))
	}
	return n
}

// zero reports whether all of data, which is not empty, is zero.
func zero(data []byte) bool { return data[0] == 0 && bytes.Equal(data[1:], data[:len(data)-1]) }

func writeHead(w io.Writer, at, n int64) error {
	var head [pieceHead]byte
	binary.BigEndian.PutUint64(head[:8], uint64(at))
	binary.BigEndian.PutUint64(head[8:], uint64(n))
	_, err := w.Write(head[:])
	return err
}

// readMemory makes a file in memory, of this size, of what writeMemory wrote. Whatever else it
// reads is Unavailable. The caller closes it.
func readMemory(r io.Reader, size int64) (*os.File, error) {
	memory, err := vmm.NewMemoryFile("guest-memory", size)
	if err != nil {
		return nil, err
	}
	if err := fill(memory, r, size); err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	return memory, nil
}

func fill(memory *os.File, r io.Reader, size int64) error {
	buf := make([]byte, chunk)
	for end := int64(0); ; {
		var head [pieceHead]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fault.Wrap(fault.Unavailable, err, "the memory ends early")
		}
		at, n := int64(binary.BigEndian.Uint64(head[:8])), int64(binary.BigEndian.Uint64(head[8:]))
		if n == 0 && at == size {
			return nil
		}
		if at < end || n <= 0 || n > chunk || at > size-n {
			return fault.New(fault.Unavailable, "the memory has a piece of %d bytes at %d, of %d", n, at, size)
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return fault.Wrap(fault.Unavailable, err, "the memory ends early")
		}
		if _, err := memory.WriteAt(buf[:n], at); err != nil {
			return err
		}
		end = at + n
	}
}
