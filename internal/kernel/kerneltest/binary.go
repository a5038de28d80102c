// Package kerneltest makes what distributions' kernel packages hold, small, for
// tests: executables, modules, and the layouts of Debian, Alpine and Void.
package kerneltest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Vmlinux returns an ELF file for machine that has the banner of a kernel's
// version, the PVH entry note, and the names of the drivers that guests need.
func Vmlinux(machine elf.Machine, version string) []byte {
	le := binary.LittleEndian
	const header, program = 64, 56
	note := le.AppendUint32(nil, 4)
	note = le.AppendUint32(note, 4)
	note = le.AppendUint32(note, 18)
	note = append(note, "Xen\x00\x00\x00\x00\x01"...)
	b := elfHeader(elf.ET_EXEC, machine)
	le.PutUint64(b[32:], header) // e_phoff
	le.PutUint16(b[54:], program)
	le.PutUint16(b[56:], 1)
	p := make([]byte, program)
	le.PutUint32(p, uint32(elf.PT_NOTE))
	le.PutUint64(p[8:], header+program)
	le.PutUint64(p[32:], uint64(len(note)))
	b = append(append(b, p...), note...)
	b = append(b, "Linux version "+version+" (builder@host) #1 SMP\n\x00"...)
	return append(b, "virtio-mmio\x00virtio_blk\x00ext4\x00overlay\x00"...)
}

func elfHeader(kind elf.Type, machine elf.Machine) []byte {
	le := binary.LittleEndian
	b := make([]byte, 64)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA], b[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	le.PutUint16(b[16:], uint16(kind))
	le.PutUint16(b[18:], uint16(machine))
	le.PutUint32(b[20:], 1)
	le.PutUint16(b[52:], 64)
	return b
}

// BzImage returns a bzImage around a payload, which must end in the size that
// the kernel's build appends where its format has none. An empty version is
// left out of the header.
func BzImage(payload []byte, version string) []byte {
	le := binary.LittleEndian
	const sects, payloadOffset, versionAt = 3, 100, 0x400
	b := make([]byte, (sects+1)*512+payloadOffset)
	b[0x1f1] = sects
	b[0x1fe], b[0x1ff] = 0x55, 0xaa
	copy(b[0x202:], "HdrS")
	le.PutUint16(b[0x206:], 0x020f)
	if version != "" {
		le.PutUint16(b[0x20e:], versionAt-512)
		copy(b[versionAt:], version+" (builder@host) #1 SMP\x00")
	}
	le.PutUint32(b[0x248:], payloadOffset)
	le.PutUint32(b[0x24c:], uint32(len(payload)))
	b = append(b, payload...)
	return append(b, "what follows the payload"...)
}

// WithSize appends the size trailer of a kernel's payload.
func WithSize(payload []byte, size int) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(payload), uint32(size))
}

// Vmlinuz returns a bzImage of a kernel's version, compressed by LZ4.
func Vmlinuz(version string) []byte {
	vmlinux := Vmlinux(elf.EM_X86_64, version)
	return BzImage(WithSize(LZ4(vmlinux), len(vmlinux)), version)
}

// LZ4 compresses data into LZ4's legacy frame.
func LZ4(data []byte) []byte {
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	must(w.Apply(lz4.LegacyOption(true)))
	_, err := w.Write(data)
	must(err)
	must(w.Close())
	return b.Bytes()
}

// Gzip compresses data.
func Gzip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(err)
	must(w.Close())
	return b.Bytes()
}

// Zstd compresses data.
func Zstd(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	must(err)
	return w.EncodeAll(data, nil)
}

// must is for what cannot fail: writing to memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
