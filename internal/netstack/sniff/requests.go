package sniff

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/egress"
)

// Requests follows a connection of HTTP/1 behind its first request for the next
// ones, each of which may be for another host. It is over once another protocol
// follows.
type Requests struct {
	next     part
	body     int64 // bytes that are left to pass on before that
	fresh    bool  // none of them was looked at
	switched bool  // the request before may have ended HTTP
	held     []byte
	over     bool
}

// part is what comes next.
type part int

const (
	nextRequest part = iota
	nextChunk
	chunkEnd
	nextTrailer
)

// NewRequests follows what comes behind the head of the request with which prefix
// begins, and which is its first bytes; nil if it begins with none that is sound.
func NewRequests(prefix []byte) (r *Requests, first int) {
	one, more := readRequest(prefix)
	if more || one.said.Speech != egress.Sound {
		return nil, 0
	}
	r = &Requests{}
	r.expect(one)
	return r, one.head
}

// Over says that no request can come any more: the rest may pass unseen.
func (r *Requests) Over() bool { return r.over && len(r.held) == 0 }

// Held is how many bytes wait for others to be judged.
func (r *Requests) Held() int { return len(r.held) }

// expect prepares for what follows the head of a request.
func (r *Requests) expect(one request) {
	r.next, r.body, r.switched = nextRequest, one.length, one.switches
	r.fresh = one.length >= int64(len("X / HTTP/1.1\n"))
	if one.chunked {
		r.next = nextChunk
	}
}

// Next takes the bytes that follow. pass are those that may be passed on; they are
// good until the next call. said is not nil when they have the head of a request at
// their end: they may be passed on if it may be, and Next be called again, as there
// may be more already.
func (r *Requests) Next(more []byte) (pass []byte, said *egress.Said) {
	b := more
	if len(r.held) > 0 {
		b = slices.Concat(r.held, more)
	}
	at := 0
	for at < len(b) && said == nil {
		if r.over {
			at = len(b)
			break
		}
		if r.fresh {
			bad, wait := r.looksLikeRequest(b[at:])
			if wait {
				break
			}
			if r.fresh = false; bad {
				verdict := unsound("the body of a request is a request itself")
				said = &verdict
				break
			}
		}
		if n := min(r.body, int64(len(b)-at)); n > 0 {
			at, r.body = at+int(n), r.body-n
			continue
		}
		size, verdict, wait := r.part(b[at:])
		if wait && len(b)-at < MaxPrefix {
			break
		}
		if wait {
			bad := unsound("a request is longer than 64 KiB")
			verdict = &bad
		}
		at, said = at+size, verdict
	}
	r.held = bytes.Clone(b[at:]) // more is the caller's
	return b[:at], said
}

// looksLikeRequest says whether a body begins as a request does: servers that do not
// expect one, as with GET, take it for the next. wait: it could.
func (r *Requests) looksLikeRequest(b []byte) (is, wait bool) {
	rest := int64(len(b)) < r.body && len(b) < MaxPrefix
	b = b[:min(int64(len(b)), r.body)]
	is, more := startsLine(b, false)
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	end := bytes.IndexByte(b, '\n')
	switch {
	case more:
		return false, rest
	case !is:
		return false, false
	case end < 0:
		return false, rest && !slices.ContainsFunc(b, isControl)
	default:
		return slices.ContainsFunc(bytes.Fields(b[:end]), isVersion), false
	}
}

// part judges what comes next: how many bytes of it to pass on, and what it says.
func (r *Requests) part(b []byte) (size int, said *egress.Said, wait bool) {
	if r.next == nextRequest {
		return r.request(b)
	}
	const longest = 20
	end := bytes.IndexByte(b, '\n')
	if end < 0 && (r.next == nextTrailer || len(b) < longest) {
		return 0, nil, true
	}
	line, ok := strings.CutSuffix(string(b[:max(end, 0)]), "\r")
	switch {
	case ok && r.next == chunkEnd && line == "":
		r.next = nextChunk
	case ok && r.next == nextChunk:
		var length uint64
		var err error
		length, err = strconv.ParseUint(line, 16, 60)
		ok, r.body, r.next = err == nil, int64(length), chunkEnd
		if length == 0 {
			r.next = nextTrailer
		}
	case ok && r.next == nextTrailer && line == "":
		r.next = nextRequest
	case ok && r.next == nextTrailer:
		ok = new(fields).add(line)
	default:
		ok = false
	}
	if !ok {
		bad := unsound("the chunks of a request are malformed")
		return 0, &bad, false
	}
	return end + 1, nil, false
}

// request judges the head of a request.
func (r *Requests) request(b []byte) (size int, said *egress.Said, wait bool) {
	judged := egress.Said{Speech: egress.Unknown}
	is, more := startsLine(b, false)
	if is {
		judged, more = firstLine(b, false)
	}
	switch {
	case more:
		return 0, nil, true
	case judged.Speech == egress.Sound:
		one, _ := readRequest(b)
		r.expect(one)
		return one.head, &judged, false
	case judged.Speech == egress.Unsound:
		return 0, &judged, false
	case r.switched:
		r.over = true
		return 0, nil, false
	default:
		bad := unsound("what follows a request is not a request")
		return 0, &bad, false
	}
}
