package portmap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/stream"
)

const (
	// maxHead bounds the head of a client's first request, in bytes.
	maxHead = 64 << 10
	// undecided is how long a client's first bytes are kept back that could be
	// the beginning of a request. A browser sends all of a request's first line at
	// once; another protocol may wait for an answer to less than a line.
	undecided = 100 * time.Millisecond
	// headLimit bounds the time that the rest of a head takes to come.
	headLimit = 10 * time.Second
	// farewell bounds the time for the answer to a request that is refused.
	farewell = time.Second
)

// misdirectedError ends a connection whose first request is for another host, or by
// a page of another.
type misdirectedError struct {
	host string // or the page's origin
	page bool
}

func (e *misdirectedError) Error() string {
	if e.page {
		return "a request by a page of " + e.host
	}
	return "a request for the host " + e.host
}

// screen lets through what a client sends, except when that begins with an HTTP
// request for a host that is not allowed, or by a page of one: then Read returns a
// *misdirectedError. One look is enough: a browser keeps a connection to one host,
// and has one of its own for each WebSocket, which alone tells a foreign page what
// comes back.
type screen struct {
	net.Conn
	allowed  func(host string) bool // may also be that of an origin
	patience time.Duration          // undecided

	done bool
	held []byte // was read, and is to be let through
	err  error  // behind held
}

// Read is net.Conn's.
func (s *screen) Read(p []byte) (int, error) {
	if !s.done {
		s.done = true
		if s.err = s.look(); s.err != nil && !errors.Is(s.err, io.EOF) {
			return 0, s.err
		}
	}
	if len(s.held) > 0 {
		n := copy(p, s.held)
		s.held = s.held[n:]
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.Conn.Read(p)
}

// look reads until it is known what the client begins with.
func (s *screen) look() (err error) {
	var began time.Time
	var h head
	defer func() { s.held = h.data }()
	for {
		kind := h.judge()
		silent := errors.Is(err, os.ErrDeadlineExceeded) && kind == maybeHTTP
		switch {
		case kind == wholeHead:
			return errors.Join(s.judgeRequest(h), s.SetReadDeadline(time.Time{}))
		case kind == notHTTP, silent && !unread(s.Conn):
			return s.SetReadDeadline(time.Time{})
		case err != nil && !silent:
			return err
		case len(h.data) >= maxHead:
			return &misdirectedError{}
		case silent, len(h.data) == 0: // before its first byte it may be silent for as long as it likes
			began = time.Time{}
		case began.IsZero():
			began = time.Now()
		}
		if err := s.limit(began, kind); err != nil {
			return err
		}
		h.data = slices.Grow(h.data, stream.SmallBuffer)
		var n int
		n, err = s.Conn.Read(h.data[len(h.data):min(cap(h.data), maxHead)])
		h.data = h.data[:len(h.data)+n]
	}
}

func (s *screen) limit(began time.Time, kind beginning) error {
	switch {
	case began.IsZero():
		return s.SetReadDeadline(time.Time{})
	case kind == partOfHead:
		return s.SetReadDeadline(began.Add(headLimit))
	default:
		return s.SetReadDeadline(began.Add(s.patience))
	}
}

// unread reports whether the client has said more than was read: it is not silent
// then, however long this process has slept. A page can keep the host's CPUs busy.
func unread(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	waits := 0
	if c, err := raw.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { waits, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return waits > 0
}

func (s *screen) judgeRequest(h head) error {
	for _, host := range h.hosts {
		if !s.allowed(host) || len(h.hosts) > 1 {
			return &misdirectedError{host: host}
		}
	}
	for _, origin := range h.origins {
		if _, host, ok := strings.Cut(origin, "://"); !ok || !s.allowed(host) {
			return &misdirectedError{host: origin, page: true}
		}
	}
	return nil
}

// What a client's first bytes are.
type beginning int

const (
	maybeHTTP  beginning = iota // it is too early to say
	notHTTP                     // certainly none
	partOfHead                  // a request, whose head goes on
	wholeHead                   // a request with all of its head
)

// head is a client's first bytes, and what is known of them. It looks at each
// once, in however many pieces they come.
type head struct {
	data    []byte
	hosts   []string // that the lines so far name
	origins []string // likewise (RFC 6454)

	kind beginning
	seen int  // bytes that were looked at
	line int  // where the line begins in which the rest is
	word bool // the method has ended
}

// judge says what data begins with, after more of it has come.
func (h *head) judge() beginning {
	for ; h.seen < len(h.data) && h.kind != notHTTP && h.kind != wholeHead; h.seen++ {
		switch c := h.data[h.seen]; {
		case c == '\n':
			h.endLine(bytes.TrimSuffix(h.data[h.line:h.seen], []byte("\r")))
			h.line = h.seen + 1
		case h.word:
		case c == ' ' && h.seen > 0:
			h.word = true
		case !inToken(c):
			h.kind = notHTTP
		}
	}
	return h.kind
}

// endLine takes one line: METHOD TARGET HTTP/1.x, NAME:VALUE, or the empty one.
func (h *head) endLine(line []byte) {
	switch {
	case h.kind == partOfHead && len(line) == 0:
		h.kind = wholeHead
	case h.kind == partOfHead:
		name, value, _ := strings.Cut(string(line), ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "host":
			h.hosts = append(h.hosts, strings.TrimSpace(value))
		case "origin":
			h.origins = append(h.origins, strings.TrimSpace(value))
		}
	case bytes.HasSuffix(line, []byte(" HTTP/1.1")), bytes.HasSuffix(line, []byte(" HTTP/1.0")):
		h.kind = partOfHead
	default:
		h.kind = notHTTP
	}
}

// inToken reports whether c may be in a method (RFC 9110, 5.6.2).
func inToken(c byte) bool {
	letter := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	return letter || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
