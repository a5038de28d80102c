package vmlinux

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/bangervm/banger/internal/fault"
)

// setupHeader is what is needed of a bzImage's setup header, as described in
// the kernel's Documentation/arch/x86/boot.rst.
type setupHeader struct {
	version         string // the first word of its kernel_version
	offset, length  int64  // of the compressed payload, from the file's start
	protocolVersion uint16
}

// Offsets in a bzImage.
const (
	offSetupSects    = 0x1f1
	offBootFlag      = 0x1fe
	offMagic         = 0x202
	offProtocol      = 0x206
	offKernelVersion = 0x20e
	offPayloadOffset = 0x248
	offPayloadLength = 0x24c
	setupHeaderEnd   = 0x250
	sector           = 512
)

// payloadProtocol is the first boot protocol whose header has payload_offset.
const payloadProtocol = 0x0208

// maxVersionString bounds the kernel_version string, in bytes.
const maxVersionString = 256

func parseSetupHeader(head []byte) (setupHeader, bool) {
	if len(head) < setupHeaderEnd || !bytes.Equal(head[offBootFlag:offBootFlag+2], []byte{0x55, 0xaa}) ||
		!bytes.Equal(head[offMagic:offMagic+4], []byte("HdrS")) {
		return setupHeader{}, false
	}
	le := binary.LittleEndian
	sects := int64(head[offSetupSects])
	if sects == 0 {
		sects = 4 // of old loaders; boot.rst says so
	}
	h := setupHeader{
		protocolVersion: le.Uint16(head[offProtocol:]),
		offset:          (sects+1)*sector + int64(le.Uint32(head[offPayloadOffset:])),
		length:          int64(le.Uint32(head[offPayloadLength:])),
	}
	if v := int(le.Uint16(head[offKernelVersion:])); v != 0 && v+sector < len(head) {
		h.version = versionWord(head[v+sector:])
	}
	return h, true
}

// versionWord returns the first word of a NUL-terminated string, or "" if it
// is not like a version.
func versionWord(b []byte) string {
	b = b[:min(len(b), maxVersionString)]
	end := bytes.IndexAny(b, " \n\x00")
	if end < 3 || b[0] < '0' || b[0] > '9' {
		return ""
	}
	for _, c := range b[:end] {
		if c <= ' ' || c > '~' || c == '/' {
			return ""
		}
	}
	return string(b[:end])
}

func extractPayload(r *bufio.Reader, h setupHeader, w *sink) error {
	if h.protocolVersion < payloadProtocol || h.length == 0 {
		return fault.New(fault.Invalid, "a bzImage of boot protocol %d.%02d, which has no payload",
			h.protocolVersion>>8, h.protocolVersion&0xff)
	}
	if _, err := io.CopyN(io.Discard, r, h.offset); err != nil {
		return truncated(err)
	}
	if err := decompress(io.LimitReader(r, h.length), h.length, w); err != nil {
		return truncated(err)
	}
	return nil
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "the kernel's file is truncated")
	}
	return err
}
