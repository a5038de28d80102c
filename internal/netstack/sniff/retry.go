package sniff

import (
	"encoding/binary"
	"slices"

	"github.com/bangervm/banger/internal/egress"
)

// Retry follows the records of a TLS client behind its first ClientHello, for a
// second one, which a server may ask for (HelloRetryRequest, RFC 8446, 4.1.4) and
// some take the name from. It is over once the client says anything else.
type Retry struct {
	early   bool // records of data may come before it
	ciphers bool // there was a change of ciphers
	large   bool // what was passed on last is encrypted, or begins a ClientHello that is too long
	held    []byte
	skip    int // bytes of a record that are left to pass on
	over    bool
}

// NewRetry follows what comes behind the ClientHello with which prefix begins, and
// whose bytes are at its front; nil if it begins with none that is sound.
func NewRetry(prefix []byte) (r *Retry, first int) {
	if len(prefix) == 0 || prefix[0] != recordHandshake {
		return nil, 0
	}
	h, more := readHello(prefix)
	if more || h.said.Speech != egress.Sound {
		return nil, 0
	}
	return &Retry{early: h.early}, h.end
}

// Over says that no second ClientHello can come any more: the rest may pass unseen.
func (r *Retry) Over() bool { return r.over && len(r.held) == 0 }

// Held is how many bytes wait for others to be judged.
func (r *Retry) Held() int { return len(r.held) }

// Next takes the bytes that follow. pass are those that may be passed on; they are
// good until the next call. said is not nil when they have a second ClientHello at
// their end: they may be passed on if it may be.
func (r *Retry) Next(more []byte) (pass []byte, said *egress.Said) {
	b := slices.Concat(r.held, more)
	at := 0
	for !r.over && at < len(b) {
		n := min(r.skip, len(b)-at)
		at, r.skip = at+n, r.skip-n
		if at == len(b) {
			break
		}
		size, verdict, wait := r.record(b[at:])
		if wait {
			break
		}
		if verdict != nil || r.over {
			said, at = verdict, len(b) // the rest waits for the same judgement
			break
		}
		r.skip = size
	}
	r.held = b[at:]
	return b[:at], said
}

// record judges the beginning of one: how many bytes of it to pass on, or what its
// ClientHello says. wait: there are too few to tell.
func (r *Retry) record(b []byte) (size int, said *egress.Said, wait bool) {
	switch kind := b[0]; {
	case r.large && kind != recordAlert:
		r.over = true
		if kind == recordApplication {
			return 0, nil, false // it was encrypted
		}
		h, _ := badHello("the TLS ClientHello is longer than 64 KiB")
		return 0, &h.said, false
	case kind == recordFirst, kind == recordAlert, kind == recordApplication && r.early:
		if len(b) < recordHeader {
			return 0, nil, true
		}
		r.ciphers = r.ciphers || kind == recordFirst
		return recordHeader + int(binary.BigEndian.Uint16(b[3:])), nil, false
	case kind == recordHandshake && len(b) <= recordHeader:
		return 0, nil, true
	case kind == recordHandshake && b[recordHeader] == clientHello:
		return r.second(b)
	case kind == recordHandshake && binary.BigEndian.Uint16(b[3:]) > 0, kind == recordApplication:
		r.over = true
		return 0, nil, false
	default:
		h, _ := badHello("it is not a TLS record")
		r.over = true
		return 0, &h.said, false
	}
}

// second judges what looks like a second ClientHello.
func (r *Retry) second(b []byte) (size int, said *egress.Said, wait bool) {
	switch finished, more := r.couldBeFinished(b); {
	case more:
		return 0, nil, true
	case finished:
		r.large = true
		return recordHeader + int(binary.BigEndian.Uint16(b[3:])), nil, false
	}
	h, more := readHello(b)
	if more && len(b) < MaxPrefix {
		return 0, nil, true
	}
	if more {
		h, _ = badHello("the TLS ClientHello is longer than 64 KiB")
	}
	r.over = true
	return h.end, &h.said, false
}

// couldBeFinished says whether a record is like the encrypted Finished with which a
// client resumes a session of TLS 1.2: each 256th looks like a ClientHello, and nearly
// all of those like one of more than 64 KiB. It can go on: no server acts on a part.
func (r *Retry) couldBeFinished(b []byte) (is, more bool) {
	const shortest = 32
	if !r.ciphers || r.early || binary.BigEndian.Uint16(b[3:]) < shortest {
		return false, false
	}
	if len(b) < recordHeader+handshakeHeader {
		return false, true
	}
	size := int(b[recordHeader+1])<<16 | int(b[recordHeader+2])<<8 | int(b[recordHeader+3])
	return handshakeHeader+size > MaxPrefix, false
}
