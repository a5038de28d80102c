package vmlinux

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
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

// xenNotePhys32Entry is XEN_ELFNOTE_PHYS32_ENTRY of the kernel's
// include/xen/interface/elfnote.h: the PVH entry point.
const xenNotePhys32Entry = 18

// maxNotes bounds a PT_NOTE segment, in bytes.
const maxNotes = 1 << 20

// hasPVHNote reports whether an ELF file has the PVH entry note.
func hasPVHNote(r io.ReaderAt) bool {
	f, err := elf.NewFile(r)
	if err != nil {
		return false
	}
	for _, prog := range f.Progs {
		if prog.Type != elf.PT_NOTE || prog.Filesz > maxNotes {
			continue
		}
		notes := make([]byte, prog.Filesz)
		if _, err := prog.ReadAt(notes, 0); err == nil && notesHavePVH(notes, f.ByteOrder) {
			return true
		}
	}
	return false
}

func notesHavePVH(notes []byte, order binary.ByteOrder) bool {
	const noteHeader = 12
	for len(notes) >= noteHeader {
		nameSize, descSize := int64(order.Uint32(notes)), int64(order.Uint32(notes[4:]))
		kind := order.Uint32(notes[8:])
		notes = notes[noteHeader:]
		next := align4(nameSize) + align4(descSize)
		if next > int64(len(notes)) {
			return false
		}
		if kind == xenNotePhys32Entry && nameSize == 4 && string(notes[:4]) == "Xen\x00" {
			return true
		}
		notes = notes[next:]
	}
	return false
}

func align4(n int64) int64 { return (n + 3) &^ 3 }
