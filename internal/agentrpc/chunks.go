package agentrpc

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxOID is the length of the longest object name, in bytes.
const maxOID = 32

// chunkFailure, as a chunk's length, says that the sequence is void; a chunk
// with the reason follows.
const chunkFailure = 1<<32 - 1

// ErrChunk says that the bytes are no chunk.
var ErrChunk = errors.New("malformed chunk")

// WriteChunk writes p (at most MaxFrame bytes) with its length before it, as 4
// bytes big-endian. An empty chunk ends a sequence.
func WriteChunk(w io.Writer, p []byte) error {
	if len(p) > MaxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrChunk, len(p), MaxFrame)
	}
	buf := make([]byte, 4+len(p))
	binary.BigEndian.PutUint32(buf, uint32(len(p)))
	copy(buf[4:], p)
	_, err := w.Write(buf)
	return err
}

// FailChunks voids a sequence and says why.
func FailChunks(w io.Writer, message string) error {
	if len(message) > MaxTreeText {
		message = message[:MaxTreeText]
	}
	if _, err := w.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		return err
	}
	return WriteChunk(w, []byte(message))
}

// ReadChunk reads one chunk into buf, which it grows up to MaxFrame. io.EOF
// when the sequence has ended; a TreeFailure when its writer gave up.
func ReadChunk(r io.Reader, buf []byte) ([]byte, error) {
	n, err := chunkLength(r)
	if err != nil {
		return nil, err
	}
	failed := n == chunkFailure
	if failed {
		if n, err = chunkLength(r); err != nil {
			return nil, err
		}
	}
	switch {
	case n == 0 && !failed:
		return nil, io.EOF
	case n > MaxFrame:
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrChunk, n, MaxFrame)
	case int(n) > cap(buf):
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, unexpected(err)
	}
	if failed {
		return nil, &TreeFailure{Message: string(buf)}
	}
	return buf, nil
}

func chunkLength(r io.Reader) (uint32, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, unexpected(err)
	}
	return binary.BigEndian.Uint32(head[:]), nil
}

// ChunkWriter makes a sequence of chunks of what is written to it.
type ChunkWriter struct{ W io.Writer }

// Write implements io.Writer.
func (c ChunkWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		part := p[done:min(len(p), done+MaxFrame)]
		if err := WriteChunk(c.W, part); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// End ends the sequence.
func (c ChunkWriter) End() error { return WriteChunk(c.W, nil) }

// ChunkReader reads a sequence of chunks to its end.
type ChunkReader struct {
	R    io.Reader
	buf  []byte
	rest []byte
	err  error
}

// Read implements io.Reader.
func (c *ChunkReader) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		if c.buf == nil {
			c.buf = make([]byte, MaxFrame)
		}
		c.rest, c.err = ReadChunk(c.R, c.buf)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// WriteLine writes v as one line of JSON.
func WriteLine(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) >= MaxLine {
		return fmt.Errorf("a line of %d bytes is too long", len(data))
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// ReadLine reads one line of JSON, at most MaxLine bytes.
func ReadLine(r *bufio.Reader, v any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > MaxLine {
			return fmt.Errorf("a line is longer than %d bytes", MaxLine)
		}
		if err == nil {
			return json.Unmarshal(line, v)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return unexpected(err)
		}
	}
}
