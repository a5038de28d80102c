package agentrpc

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/iotest"
	"time"
)

func TestEachHalfOfAFramedStreamEndsByItself(t *testing.T) {
	a, b := net.Pipe()
	one, other := NewFramed(a), NewFramed(b)
	data := bytes.Repeat([]byte("0123456789"), 20_000) // more than a frame holds
	go func() {
		all, _ := io.ReadAll(other)
		_, _ = other.Write(all)
		_ = other.CloseWrite()
	}()
	if n, err := one.Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	for range 2 {
		if err := one.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := one.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after the end: %v", err)
	}
	if got, err := io.ReadAll(one); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if n, err := one.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if len(one.frame) > keptFrame {
		t.Error("an idle stream keeps a large buffer")
	}
}

// reads is a connection that is only read.
type reads struct {
	net.Conn
	from   io.Reader
	closed bool
}

func (r *reads) Read(p []byte) (int, error) { return r.from.Read(p) }
func (r *reads) Close() error               { r.closed = true; return nil }

func TestFramesThatEndEarlyOrAreTooLarge(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		err        error
	}{
		"whole":            {"\x00\x00\x00\x02ab\x00\x00\x00\x01c\x00\x00\x00\x00beyond", "abc", nil},
		"nothing":          {"", "", io.ErrUnexpectedEOF},
		"within a head":    {"\x00\x00\x00\x02ab\x00\x00", "ab", io.ErrUnexpectedEOF},
		"within a frame":   {"\x00\x00\x00\x09ab", "ab", io.ErrUnexpectedEOF},
		"between frames":   {"\x00\x00\x00\x02ab", "ab", io.ErrUnexpectedEOF},
		"a frame too much": {"\x00\x01\x00\x01ab", "", nil},
	} {
		for _, from := range []io.Reader{bytes.NewReader([]byte(c.text)), iotest.OneByteReader(bytes.NewReader([]byte(c.text)))} {
			conn := &reads{from: from}
			got, err := io.ReadAll(NewFramed(conn))
			if name == "a frame too much" {
				if err == nil || !conn.closed {
					t.Errorf("%s: %v, closed: %v", name, err, conn.closed)
				}
				continue
			}
			if string(got) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}

func TestADeadlineWithinAFrameLosesNothing(t *testing.T) {
	a, b := net.Pipe()
	defer func() { _ = b.Close() }()
	f := NewFramed(a)
	for _, part := range []string{"\x00\x00", "\x00\x02a", "b"} {
		sent := make(chan struct{})
		go func() { _, _ = b.Write([]byte(part)); close(sent) }()
		var got []byte
		for done := false; !done; {
			if err := f.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 8)
			n, err := f.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			select {
			case <-sent:
				done = err != nil
			default:
			}
		}
		if want := map[string]string{"\x00\x02a": "a", "b": "b"}[part]; string(got) != want {
			t.Errorf("after %q: %q", part, got)
		}
	}
}
