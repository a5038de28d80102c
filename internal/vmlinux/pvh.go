package vmlinux

import (
	"debug/elf"
	"encoding/binary"
	"io"
)

// xenNotePhys32Entry is XEN_ELFNOTE_PHYS32_ENTRY of the kernel's
// include/xen/interface/elfnote.h: the PVH entry point.
const xenNotePhys32Entry = 18

const (
	maxNotes    = 1 << 20 // bytes of a PT_NOTE segment
	maxSegments = 64      // a kernel has five
)

// hasPVHNote reports whether an ELF file of a 64-bit little-endian machine has the
// PVH entry note. It reads the segments alone: a file may say that it has millions
// of sections, for which debug/elf makes room.
func hasPVHNote(r io.ReaderAt) bool {
	var head elf.Header64
	if binary.Read(io.NewSectionReader(r, 0, 64), binary.LittleEndian, &head) != nil || head.Phoff > MaxSize {
		return false
	}
	segments := io.NewSectionReader(r, int64(head.Phoff), int64(maxSegments)*int64(binary.Size(elf.Prog64{})))
	for range min(head.Phnum, maxSegments) {
		var prog elf.Prog64
		if binary.Read(segments, binary.LittleEndian, &prog) != nil {
			return false
		}
		if elf.ProgType(prog.Type) != elf.PT_NOTE || prog.Filesz > maxNotes || prog.Off > MaxSize {
			continue
		}
		notes := make([]byte, prog.Filesz)
		if _, err := r.ReadAt(notes, int64(prog.Off)); err == nil && notesHavePVH(notes) {
			return true
		}
	}
	return false
}

func notesHavePVH(notes []byte) bool {
	const noteHeader = 12
	for len(notes) >= noteHeader {
		nameSize, descSize := int64(binary.LittleEndian.Uint32(notes)), int64(binary.LittleEndian.Uint32(notes[4:]))
		kind := binary.LittleEndian.Uint32(notes[8:])
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
