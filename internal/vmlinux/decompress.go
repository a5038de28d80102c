package vmlinux

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/therootcompany/xz"

	"github.com/bangervm/banger/internal/fault"
)

// sizeTrailer is what the kernel's build appends to all payloads but gzip's:
// the uncompressed size, little-endian. gzip's own format ends alike.
const sizeTrailer = 4

// The first bytes of each format.
const (
	gzipMagic = "\x1f\x8b\x08"
	lz4Magic  = "\x02\x21\x4c\x18"
	zstdMagic = "\x28\xb5\x2f\xfd"
	xzMagic   = "\xfd7zXZ\x00"
	bzipMagic = "BZh"
	lzmaMagic = "\x5d\x00\x00"
	lzoMagic  = "\x89LZO"
)

// decompress writes the payload of length bytes in r to w, and checks its size
// against the trailer.
func decompress(r io.Reader, length int64, w *sink) error {
	if length <= sizeTrailer {
		return fault.New(fault.Invalid, "a payload of %d bytes", length)
	}
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(int(min(6, length)))
	if err != nil {
		return err
	}
	magic := string(head)
	if strings.HasPrefix(magic, gzipMagic) { // its trailer is checked by gzip itself
		return gunzip(br, w)
	}
	body := bufio.NewReaderSize(io.LimitReader(br, length-sizeTrailer), 64<<10)
	switch {
	case strings.HasPrefix(magic, lz4Magic):
		err = unlz4(body, w)
	case strings.HasPrefix(magic, zstdMagic):
		err = unzstd(body, w)
	case strings.HasPrefix(magic, xzMagic):
		err = unxz(body, w)
	case strings.HasPrefix(magic, bzipMagic):
		err = malformed("bzip2", copyTo(w, bzip2.NewReader(body)))
	case strings.HasPrefix(magic, lzmaMagic):
		err = unsupported("LZMA")
	case strings.HasPrefix(magic, lzoMagic):
		err = unsupported("LZO")
	default:
		err = unsupported("an unknown method")
	}
	if err != nil {
		return err
	}
	return checkTrailer(body, br, w.n)
}

func unsupported(method string) error {
	return fault.New(fault.Invalid, "the kernel is compressed with %s, which banger cannot read", method).
		WithHint("it reads gzip, bzip2, xz, LZ4 and zstd, and uncompressed ELF files")
}

// checkTrailer reads what a decompressor left of its body, and the trailer.
func checkTrailer(body, r io.Reader, size int64) error {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	var trailer [sizeTrailer]byte
	if _, err := io.ReadFull(r, trailer[:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	if want := binary.LittleEndian.Uint32(trailer[:]); want != uint32(size) {
		return fault.New(fault.Invalid, "the kernel is damaged: it has %d bytes instead of %d", size, want)
	}
	return nil
}

func copyTo(w *sink, r io.Reader) error {
	_, err := io.Copy(w, r)
	return err
}

// malformed makes a decompressor's error Invalid, leaving alone what is a
// fault, a truncation, or the failure to write.
func malformed(method string, err error) error {
	var write *writeError
	var f *fault.Error
	if err == nil || errors.As(err, &write) || errors.As(err, &f) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return err
	}
	return fault.Wrap(fault.Invalid, err, "the kernel is damaged: %s", method)
}

func gunzip(r io.Reader, w *sink) error {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return malformed("gzip", err)
	}
	zr.Multistream(false)
	return malformed("gzip", copyTo(w, zr))
}

func unzstd(r io.Reader, w *sink) error {
	zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(MaxSize))
	if err != nil {
		return malformed("zstd", err)
	}
	defer zr.Close()
	return malformed("zstd", copyTo(w, zr))
}

// maxWindow is the window of zstd -22 --ultra, by which kernels are compressed.
const maxWindow = 128 << 20

func unxz(r io.Reader, w *sink) error {
	zr, err := xz.NewReader(r, maxWindow)
	if err != nil {
		return malformed("xz", err)
	}
	zr.Multistream(false)
	return malformed("xz", copyTo(w, zr))
}

// lz4Block is the uncompressed size of all blocks but the last in LZ4's legacy
// frame format, which the kernel uses (lz4_Frame_format.md, "Legacy frame").
const lz4Block = 8 << 20

func unlz4(r io.Reader, w *sink) error {
	if _, err := io.CopyN(io.Discard, r, int64(len(lz4Magic))); err != nil {
		return err
	}
	in := make([]byte, lz4.CompressBlockBound(lz4Block))
	out := make([]byte, lz4Block)
	for {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if string(size[:]) == lz4Magic { // concatenated frames
			continue
		}
		n := binary.LittleEndian.Uint32(size[:])
		if n == 0 {
			return nil
		}
		if int64(n) > int64(len(in)) {
			return fault.New(fault.Invalid, "the kernel is damaged: an LZ4 block of %d bytes", n)
		}
		if _, err := io.ReadFull(r, in[:n]); err != nil {
			return io.ErrUnexpectedEOF
		}
		got, err := lz4.UncompressBlock(in[:n], out)
		if err != nil {
			return malformed("LZ4", err)
		}
		if _, err := w.Write(out[:got]); err != nil {
			return err
		}
	}
}
