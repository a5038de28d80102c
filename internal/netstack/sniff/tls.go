package sniff

import (
	"encoding/binary"

	"github.com/bangervm/banger/internal/egress"
)

const (
	recordHeader      = 5
	recordFirst       = 20 // the types of records: change of ciphers,
	recordAlert       = 21
	recordHandshake   = 22
	recordApplication = 23
	recordLast        = 24 // … heartbeat
	maxRecord         = 1 << 14
	tlsMajor          = 3
	clientHello       = 1
	handshakeHeader   = 4
	serverName        = 0 // the extension, and its one type of name
	earlyData         = 42
)

// startsTLS says whether a server of TLS could take the bytes for its own: any
// record, whatever its version (RFC 5246, E.1), as they take a warning before the
// ClientHello and skip it; or a ClientHello in SSL 2's form (E.2). Behind a server
// that spoke first, and so speaks something else, only what looks like TLS is.
func startsTLS(b []byte, greeted bool) (is, more bool) {
	record := b[0] >= recordFirst && b[0] <= recordLast
	switch {
	case record && greeted:
		return len(b) > 1 && b[1] == tlsMajor, len(b) == 1
	case record:
		return true, false
	case b[0]&0x80 == 0 || greeted:
		return false, false
	default:
		return len(b) > 2 && b[2] == clientHello, len(b) <= 2
	}
}

// tlsLike is startsTLS for what begins a record in a version that there is, or
// could in SSL 2's form.
func tlsLike(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	if b[0] >= recordFirst && b[0] <= recordLast {
		return len(b) < 2 || b[1] == tlsMajor
	}
	return b[0]&0x80 != 0 && (len(b) < 3 || b[2] == clientHello)
}

// hello is a ClientHello.
type hello struct {
	said  egress.Said
	end   int  // bytes up to its end, which is that of a record
	early bool // data of the client's may follow it at once
}

func badHello(why string) (hello, bool) { return hello{said: unsound(why)}, false }

// readHello reads the ClientHello with which the records begin.
func readHello(records []byte) (h hello, more bool) {
	var message []byte
	rest := records
	for {
		if len(rest) > 0 && rest[0] != recordHandshake {
			return badHello("it is not a TLS ClientHello")
		}
		if len(rest) > 1 && rest[1] != tlsMajor {
			return badHello("the TLS record has an unknown version")
		}
		if len(rest) < recordHeader {
			return h, true
		}
		length := int(binary.BigEndian.Uint16(rest[3:]))
		if length == 0 || length > maxRecord {
			return badHello("the TLS record has an invalid length")
		}
		rest = rest[recordHeader:]
		message = append(message, rest[:min(length, len(rest))]...)
		if len(message) > 0 && message[0] != clientHello {
			return badHello("it is not a TLS ClientHello")
		}
		if len(message) >= handshakeHeader {
			size := handshakeHeader + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
			switch {
			case size > MaxPrefix:
				return badHello("the TLS ClientHello is longer than 64 KiB")
			case len(message) > size:
				return badHello("the TLS record has data after the ClientHello")
			case len(message) == size && len(rest) >= length:
				h = parseHello(message[handshakeHeader:])
				h.end = len(records) - len(rest) + length
				return h, false
			}
		}
		if len(rest) < length {
			return h, true
		}
		rest = rest[length:]
	}
}

// reader takes a message apart; after a length that is wrong it is bad.
type reader struct {
	rest []byte
	bad  bool
}

// take gives the next n bytes.
func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) number(bytes int) int {
	out := 0
	for _, b := range r.take(bytes) {
		out = out<<8 | int(b)
	}
	return out
}

// vector gives what follows its own length, which has this many bytes.
func (r *reader) vector(bytes int) *reader {
	rest := r.take(r.number(bytes))
	return &reader{rest: rest, bad: r.bad}
}

// parseHello reads the one name in a ClientHello's extensions.
func parseHello(message []byte) hello {
	h := hello{said: egress.Said{Speech: egress.Sound}}
	malformed := hello{said: unsound("the TLS ClientHello is malformed")}
	r := &reader{rest: message}
	if version := r.take(2); len(version) == 2 && version[0] != tlsMajor {
		return malformed
	}
	r.take(32)  // random
	r.vector(1) // session
	r.vector(2) // ciphers
	r.vector(1) // compression
	if !r.bad && len(r.rest) == 0 {
		return h
	}
	extensions := r.vector(2)
	if r.bad || len(r.rest) > 0 {
		return malformed
	}
	seen := map[int]bool{}
	for len(extensions.rest) > 0 && !extensions.bad {
		kind, data := extensions.number(2), extensions.vector(2)
		if seen[kind] {
			return hello{said: unsound("the TLS ClientHello has an extension twice")}
		}
		seen[kind] = true
		switch kind {
		case earlyData:
			h.early = true
		case serverName:
			name := listedName(data)
			if name == "" {
				return hello{said: unsound("the TLS ClientHello has a malformed name")}
			}
			h.said.Hosts = []string{name}
		}
	}
	if extensions.bad {
		return malformed
	}
	return h
}

// listedName is the one name of a server_name extension.
func listedName(data *reader) string {
	list := data.vector(2)
	kind := list.number(1)
	host := list.vector(2)
	if host.bad || list.bad || data.bad || kind != serverName || len(list.rest) > 0 || len(data.rest) > 0 {
		return ""
	}
	return canonical(string(host.rest))
}
