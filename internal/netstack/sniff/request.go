package sniff

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/egress"
)

// request is a request of HTTP/1, and where it ends.
type request struct {
	said    egress.Said // no Speech: its first line is none of a request
	head    int         // bytes of its head
	length  int64       // of its body
	chunked bool        // its body comes in chunks instead
	// switches says that another protocol may follow, if the server agrees.
	switches bool
}

// fields are those of a request's that say to whom it is, and where it ends.
type fields struct{ host, length, coding, upgrade []string }

// readRequest reads a request from its first line up to the empty one. more: that
// has not come.
func readRequest(b []byte) (r request, more bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return r, true
	}
	method, target, sound := requestLine(b[:end])
	if !sound {
		return r, false
	}
	latest := bytes.HasSuffix(b[:end], []byte(" HTTP/1.1\r"))
	var f fields
	for at := end + 1; ; {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			return r, true
		}
		line, ok := strings.CutSuffix(string(b[at:at+end]), "\r")
		at += end + 1
		if ok && line == "" {
			r.head = at
			break
		}
		if !ok || !f.add(line) {
			r.said = unsound("a field of the request is malformed") // folded ones too
			return r, false
		}
	}
	r.said = f.destination(method, target, latest)
	if r.said.Speech == egress.Sound && !r.frame(f, latest) {
		r.said = unsound("the request does not say where it ends")
	}
	r.switches = len(f.upgrade) > 0 || method == "CONNECT"
	return r, false
}

// add takes one field; false: it is malformed.
func (f *fields) add(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !isToken(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return false
	}
	value = strings.Trim(value, " \t")
	switch strings.ToLower(name) {
	case "host":
		f.host = append(f.host, value)
	case "content-length":
		f.length = append(f.length, value)
	case "transfer-encoding":
		f.coding = append(f.coding, value)
	case "upgrade":
		f.upgrade = append(f.upgrade, value)
	}
	return true
}

// destination is what the request says of its hosts.
func (f *fields) destination(method, target string, needsHost bool) egress.Said {
	host := ""
	switch {
	case len(f.host) > 1:
		return unsound("the request has two Host fields")
	case len(f.host) == 1:
		if host = authorityHost(f.host[0]); host == "" {
			return unsound("the request has a malformed Host")
		}
	case needsHost:
		return unsound("the request has no Host")
	}
	return named(host, method, target)
}

// frame finds out where the body ends; false: servers could differ about it (RFC
// 9112, 6.3).
func (r *request) frame(f fields, latest bool) bool {
	const digits = 18
	switch {
	case len(f.coding) > 0:
		r.chunked = latest && len(f.coding) == 1 && len(f.length) == 0 && strings.EqualFold(f.coding[0], "chunked")
		return r.chunked
	case len(f.length) > 1:
		return false
	case len(f.length) == 1:
		length, err := strconv.ParseUint(f.length[0], 10, 63)
		r.length = int64(length)
		return err == nil && len(f.length[0]) <= digits
	}
	return true
}
