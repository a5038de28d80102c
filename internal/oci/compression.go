package oci

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/bangervm/banger/internal/fault"
)

// maxZstdWindow is what zstd's own tool takes without being asked for more. It
// is memory, once for each layer that is fetched at a time.
const maxZstdWindow = 128 << 20

// decompress finds out by its first bytes how r is compressed: media types are
// often wrong. It returns r's own bytes when it is not. The caller closes it,
// which does not close r.
func decompress(r io.Reader) (plain io.ReadCloser, compressed bool, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	magic, err := br.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	switch {
	case isGzip(magic):
		zr, err := newGunzip(br)
		return zr, true, err
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), isSkippableFrame(magic): // RFC 8878
		zr, err := zstd.NewReader(br, zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, true, err
		}
		return unzstd{zr.IOReadCloser()}, true, nil
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return nil, true, fault.New(fault.Invalid, "xz compression is not supported").WithHint("decompress it first: xz -d")
	case bytes.HasPrefix(magic, []byte("BZh")):
		return nil, true, fault.New(fault.Invalid, "bzip2 compression is not supported").WithHint("decompress it first: bzip2 -d")
	}
	return io.NopCloser(br), false, nil
}

func isGzip(magic []byte) bool { return bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) } // RFC 1952

func isSkippableFrame(magic []byte) bool {
	return len(magic) >= 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:4], []byte{0x2a, 0x4d, 0x18})
}

// gunzip reads members one after the other. Zeros may follow the last one, as
// tapes and block devices leave them.
type gunzip struct {
	*gzip.Reader
	br *bufio.Reader
}

func newGunzip(br *bufio.Reader) (*gunzip, error) {
	zr, err := gzip.NewReader(br)
	if err != nil {
		return nil, err
	}
	zr.Multistream(false)
	return &gunzip{Reader: zr, br: br}, nil
}

func (g *gunzip) Read(b []byte) (int, error) {
	for {
		n, err := g.Reader.Read(b)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := g.next(); err != nil || n > 0 {
			return n, err
		}
	}
}

// next goes to the next member. It returns io.EOF after the last.
func (g *gunzip) next() error {
	magic, err := g.br.Peek(2)
	switch {
	case isGzip(magic):
		err = g.Reset(g.br)
		g.Multistream(false)
		return err
	case len(magic) == 0:
		return err
	}
	for {
		c, err := g.br.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			return fault.New(fault.Invalid, "data that is not gzip follows its end")
		}
	}
}

// unzstd says what klauspost's words for it leave open.
type unzstd struct{ io.ReadCloser }

func (u unzstd) Read(b []byte) (int, error) {
	n, err := u.ReadCloser.Read(b)
	switch {
	case errors.Is(err, zstd.ErrMagicMismatch):
		err = fault.New(fault.Invalid, "data that is not zstd follows its end")
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		err = fault.New(fault.Invalid, "decompressing it takes more than %s of memory", fault.Bytes(maxZstdWindow)).
			WithHint("compress it again without zstd's --ultra and --long")
	}
	return n, err
}
