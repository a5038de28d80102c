// Package vmlinux gets uncompressed kernels out of the files that
// distributions ship.
package vmlinux

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
)

// MaxSize bounds an uncompressed kernel, in bytes.
const MaxSize = 512 << 20

// Executables is a kernel.Executables. Its zero value is ready.
type Executables struct{}

// Probe reads what the kernel called name says of itself. Of a bzImage it reads
// only the header, anything else as a whole.
func (Executables) Probe(ctx context.Context, fsys fs.FS, name string) (kernel.Binary, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return kernel.Binary{}, err
	}
	defer f.Close() //nolint:errcheck // read only
	r := bufio.NewReaderSize(&contextReader{ctx, f}, headerSize)
	head, err := peek(r)
	if err != nil {
		return kernel.Binary{}, err
	}
	if h, ok := parseSetupHeader(head); ok {
		return kernel.Binary{Version: h.version, Architecture: "amd64"}, nil
	}
	return Extract(ctx, r, discard{})
}

// Extract writes the uncompressed kernel in the file called name to the new
// file dst.
func (Executables) Extract(ctx context.Context, fsys fs.FS, name, dst string) (_ kernel.Binary, err error) {
	in, err := fsys.Open(name)
	if err != nil {
		return kernel.Binary{}, err
	}
	defer in.Close() //nolint:errcheck // read only
	out, err := os.OpenFile(dst, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return kernel.Binary{}, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	bin, err := Extract(ctx, in, out)
	if err != nil {
		return kernel.Binary{}, err
	}
	bin.PVH = hasPVHNote(out)
	bin.Lacks, err = lacks(ctx, io.NewSectionReader(out, 0, MaxSize))
	return bin, err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Extract writes the uncompressed kernel in r to w: the ELF file in a bzImage,
// and an ELF file or an arm64 Image as it is, also out of a gzip file. The
// result is checked to be a kernel's executable; PVH and Lacks are left unset. What is
// none is Invalid, as is more than MaxSize bytes.
func Extract(ctx context.Context, r io.Reader, w io.Writer) (kernel.Binary, error) {
	br := bufio.NewReaderSize(&contextReader{ctx, r}, headerSize)
	head, err := peek(br)
	if err != nil {
		return kernel.Binary{}, err
	}
	sink := &sink{w: w}
	var version string
	h, isBzImage := parseSetupHeader(head)
	switch {
	case isBzImage:
		version = h.version
		err = extractPayload(br, h, sink)
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		err = truncated(gunzip(br, sink))
	case executableArch(head) != "":
		_, err = io.Copy(sink, br)
	default:
		err = fault.New(fault.Invalid, "neither a bzImage, nor an ELF file, nor an arm64 Image")
	}
	if err != nil {
		return kernel.Binary{}, err
	}
	arch := executableArch(sink.head)
	if arch == "" {
		return kernel.Binary{}, fault.New(fault.Invalid, "its compressed payload is not a kernel")
	}
	if version == "" {
		version = sink.version()
	}
	return kernel.Binary{Version: version, Architecture: arch}, nil
}

// headerSize is how much of a file tells what it is: a bzImage's version string
// is at most 64 KiB behind its 512th byte.
const headerSize = 80 << 10

func peek(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head, nil
}

// contextReader ends reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// executableArch tells the architecture of a kernel's executable by its first
// bytes; "" if it is none. ELF: e_machine of a 64-bit little-endian executable.
// Image: the magic at 56 of Documentation/arch/arm64/booting.rst.
func executableArch(head []byte) string {
	if len(head) < 64 {
		return ""
	}
	if bytes.Equal(head[56:60], []byte("ARM\x64")) {
		return "arm64"
	}
	if !bytes.HasPrefix(head, []byte(elf.ELFMAG)) || head[elf.EI_CLASS] != byte(elf.ELFCLASS64) || head[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return ""
	}
	switch machine := elf.Machine(uint16(head[18]) | uint16(head[19])<<8); machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	default:
		return fmt.Sprint(machine)
	}
}
