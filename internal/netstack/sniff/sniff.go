// Package sniff reads, from the first bytes that a TCP client sends, for which
// hosts they are: the SNI of a TLS ClientHello (RFC 8446, 6066) or the Host and
// the target of an HTTP/1 request (RFC 9112). It accepts what is known to be sound, and does not
// list what is bad: anything that some server could take for TLS or HTTP, and that does not
// follow the RFCs, is unsound, whatever it names.
//
// The first bytes say so, however late they come, of TLS a second ClientHello (see
// Retry), and of HTTP each request (see Requests): a caller that stops looking
// after some time can be bypassed. A server may speak first; its bytes can be passed
// on meanwhile (see Greets).
package sniff

import (
	"net/netip"
	"slices"

	"github.com/bangervm/banger/internal/egress"
)

// MaxPrefix is how many bytes are looked at; a ClientHello or the head of a request
// that is longer is unsound.
const MaxPrefix = 64 << 10

// proxied begins the binary header of HAProxy's PROXY protocol, which servers that
// take it strip from what is TLS or HTTP. Its other form is a line of words.
const proxied = "\r\n\r\n\x00\r\nQUIT\n"

// First looks at the first bytes of a client. greeted says that the server spoke
// before them. more says that they are too few to tell: call again with these and
// those that follow; it is never true of MaxPrefix bytes. A client that sends no
// more for now must not be let through; see FirstAtEnd for one that has ended.
func First(prefix []byte, greeted bool) (said egress.Said, more bool) {
	full := len(prefix) >= MaxPrefix
	said, more = first(prefix[:min(len(prefix), MaxPrefix)], greeted)
	if more && full {
		return unsound("the first 64 KiB do not tell the destination"), false
	}
	return said, more
}

// FirstAtEnd looks at all that a client sent which sends no more. What is not
// whole is unsound if it could be the beginning of what names a host.
func FirstAtEnd(all []byte, greeted bool) egress.Said {
	said, more := First(all, greeted)
	if len(all) == 0 || !more {
		return said
	}
	said, more = First(append(slices.Clip(all), "\n\n\n\n\n\n\n\n"...), greeted)
	if more || tlsLike(all) {
		return unsound("it ends before it tells the destination")
	}
	return said
}

func first(b []byte, greeted bool) (said egress.Said, more bool) {
	if len(b) == 0 {
		return egress.Said{Speech: egress.Unknown}, true
	}
	is, more := startsTLS(b, greeted)
	var h hello
	if is {
		h, more = readHello(b)
	}
	if more {
		return egress.Said{Speech: egress.Unknown}, true
	}
	if is {
		return h.said, false
	}
	switch is, more := begins(b, proxied); {
	case is:
		return unsound("it begins with a header of the PROXY protocol"), false
	case more:
		return egress.Said{Speech: egress.Unknown}, true
	}
	if said, is, more := preface(b); is || more {
		return said, more
	}
	switch is, more := startsLine(b, greeted); {
	case more:
		return egress.Said{Speech: egress.Unknown}, true
	case is:
		return firstLine(b, greeted)
	case greeted:
		return egress.Said{Speech: egress.Greeted}, false
	default:
		return egress.Said{Speech: egress.Unknown}, false
	}
}

func unsound(why string) egress.Said { return egress.Said{Speech: egress.Unsound, Why: why} }

// Greets says whether the first bytes of a server are those of one that speaks
// first: of TLS and HTTP they are not.
func Greets(b []byte) bool {
	const http = "HTTP/"
	n := min(len(b), len(http))
	return n > 0 && !tlsLike(b) && string(b[:n]) != http[:n]
}

// canonical is a host as egress.Said has it; empty, if it is none.
func canonical(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return ""
		}
		return addr.String()
	}
	name, _ := egress.CanonicalName(host)
	return name
}
