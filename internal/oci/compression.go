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

// maxZstdWindow is what zstd's own tool takes without being asked for more.
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
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952
		zr, err := gzip.NewReader(br)
		return zr, true, err
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), isSkippableFrame(magic): // RFC 8878
		zr, err := zstd.NewReader(br, zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, true, err
		}
		return zr.IOReadCloser(), true, nil
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return nil, true, fault.New(fault.Invalid, "it is compressed with xz, which images may not be").WithHint("decompress it first: xz -d")
	case bytes.HasPrefix(magic, []byte("BZh")):
		return nil, true, fault.New(fault.Invalid, "it is compressed with bzip2, which images may not be").WithHint("decompress it first: bzip2 -d")
	}
	return io.NopCloser(br), false, nil
}

func isSkippableFrame(magic []byte) bool {
	return len(magic) >= 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:4], []byte{0x2a, 0x4d, 0x18})
}
