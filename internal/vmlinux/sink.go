package vmlinux

import (
	"bytes"
	"io"

	"github.com/bangervm/banger/internal/fault"
)

// sink passes a kernel on to w, bounds it, keeps its first bytes, and looks for
// its banner.
type sink struct {
	w     io.Writer
	n     int64
	head  []byte
	tail  []byte // the end of what was written, where a banner may have begun
	found string
}

// banner is how every kernel's linux_banner begins; the version follows.
const banner = "Linux version "

// writeError tells the failure to write from a damaged input.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

func (s *sink) Write(p []byte) (int, error) {
	if s.n+int64(len(p)) > MaxSize {
		return 0, fault.New(fault.Invalid, "the kernel is larger than %d bytes", MaxSize)
	}
	if missing := 64 - len(s.head); missing > 0 {
		s.head = append(s.head, p[:min(missing, len(p))]...)
	}
	s.scan(p)
	n, err := s.w.Write(p)
	s.n += int64(n)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

const scanOverlap = len(banner) + maxVersionString

func (s *sink) scan(p []byte) {
	if s.found != "" {
		return
	}
	seam := append(s.tail, p[:min(len(p), scanOverlap)]...)
	for _, b := range [][]byte{seam, p} {
		for s.found == "" {
			i := bytes.Index(b, []byte(banner))
			if i < 0 {
				break
			}
			b = b[i+len(banner):]
			s.found = versionWord(b)
		}
	}
	s.tail = append([]byte(nil), seam[max(0, len(seam)-scanOverlap):]...)
	if len(p) > scanOverlap {
		s.tail = append(s.tail[:0], p[len(p)-scanOverlap:]...)
	}
}

func (s *sink) version() string { return s.found }
