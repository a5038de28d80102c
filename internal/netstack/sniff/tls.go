package sniff

import "encoding/binary"

const (
	recordHeader    = 5
	recordFirst     = 20 // the types of records: change of ciphers,
	recordHandshake = 22
	recordLast      = 24 // … heartbeat
	maxRecord       = 1 << 14
	clientHello     = 1
	handshakeHeader = 4
	serverName      = 0 // the extension, and its one type of name
)

// startsTLS says whether the bytes begin with a record, as far as there are any.
// Servers take a warning before the ClientHello, and skip it: what is not a
// handshake is TLS without a name.
func startsTLS(b []byte) bool {
	return b[0] >= recordFirst && b[0] <= recordLast && (len(b) < 2 || b[1] == 3)
}

// startsOldTLS says whether it is a ClientHello in SSL 2's form (RFC 5246, E.2),
// which has no SNI; more: the bytes could be the beginning of one.
func startsOldTLS(b []byte) (is, more bool) {
	if b[0]&0xc0 != 0x80 || len(b) > 2 && b[2] != clientHello || len(b) > 3 && b[3] != 3 {
		return false, false
	}
	return len(b) > 3, len(b) <= 3
}

// tlsName is the SNI of the ClientHello with which the records begin.
func tlsName(records []byte) (name string, more bool) {
	var hello []byte
	for {
		if len(records) < recordHeader {
			return "", true
		}
		length := int(binary.BigEndian.Uint16(records[3:]))
		if records[0] != recordHandshake || records[1] != 3 || length == 0 || length > maxRecord {
			return "", false
		}
		records = records[recordHeader:]
		hello = append(hello, records[:min(length, len(records))]...)
		if len(hello) >= handshakeHeader {
			size := handshakeHeader + int(hello[1])<<16 + int(hello[2])<<8 + int(hello[3])
			if hello[0] != clientHello || size > MaxPrefix {
				return "", false
			}
			if len(hello) >= size {
				return helloName(hello[handshakeHeader:size]), false
			}
		}
		if len(records) < length {
			return "", true
		}
		records = records[length:]
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

// helloName is the one name in the ClientHello's extensions.
func helloName(hello []byte) string {
	r := &reader{rest: hello}
	r.take(2 + 32) // version, random
	r.vector(1)    // session
	r.vector(2)    // ciphers
	r.vector(1)    // compression
	extensions := r.vector(2)
	if r.bad || len(r.rest) > 0 {
		return ""
	}
	name, found := "", false
	for len(extensions.rest) > 0 && !extensions.bad {
		kind, data := extensions.number(2), extensions.vector(2)
		if kind != serverName {
			continue
		}
		if found {
			return ""
		}
		name, found = listedName(data), true
	}
	if extensions.bad {
		return ""
	}
	return name
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
