package vmlog

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// block is how much is read at a time when looking back, in bytes.
const block = 32 << 10

// seekTail moves f (which may be nil) to the beginning of its last n lines, and
// returns how many of them it does not have. A last line without a newline counts.
func seekTail(f *os.File, n int) (missing int, err error) {
	if f == nil {
		return n, nil
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return 0, err
	}
	buf := make([]byte, block)
	for at := end; at > 0; {
		size := min(at, block)
		at -= size
		if _, err := f.ReadAt(buf[:size], at); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for i := size - 1; i >= 0; {
			nl := int64(bytes.LastIndexByte(buf[:i+1], '\n'))
			if nl < 0 {
				break
			}
			if at+nl != end-1 { // the newline at the very end begins no line
				n--
			}
			if n == 0 {
				_, err := f.Seek(at+nl+1, io.SeekStart)
				return 0, err
			}
			i = nl - 1
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	if end > 0 {
		n-- // the first line has no newline before it
	}
	return n, nil
}
