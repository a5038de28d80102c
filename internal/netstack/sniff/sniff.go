// Package sniff reads, from the first bytes that a TCP client sends, for which host
// they are: the SNI of a TLS ClientHello (RFC 8446, 6066) or the Host of an HTTP/1
// request (RFC 9112). It is strict where servers differ: what two of them could
// take for two hosts has no name.
//
// Only the first bytes say so, however late they come: a caller that stops looking
// after some time is led around. A server may speak first; its bytes are no
// concern of this package and can be passed on meanwhile.
package sniff

import (
	"net/netip"
	"slices"

	"github.com/bangervm/banger/internal/egress"
)

// MaxPrefix is how many bytes are looked at; a ClientHello or the head of a request
// that is longer has no name.
const MaxPrefix = 64 << 10

// Kind is what the client speaks.
type Kind string

// The kinds.
const (
	Other Kind = "other" // or cannot be told yet
	TLS   Kind = "tls"
	HTTP  Kind = "http"
)

// Destination is the host that the client names.
type Destination struct {
	Kind Kind
	// Name is a domain name in lower case without its last dot, or an address.
	// Empty: it names none, or not one that is certain.
	Name string
}

// Host looks at the first bytes of a client. more says that they are too few to
// tell: call again with these and those that follow; it is never true of MaxPrefix
// bytes. A client that sends no more for now must not be let through; see HostAtEnd
// for one that has ended.
func Host(prefix []byte) (h Destination, more bool) {
	full := len(prefix) >= MaxPrefix
	prefix = prefix[:min(len(prefix), MaxPrefix)]
	if len(prefix) == 0 {
		return Destination{Kind: Other}, true
	}
	if startsTLS(prefix) {
		name, more := tlsName(prefix)
		return Destination{Kind: TLS, Name: name}, more && !full
	}
	if is, more := startsOldTLS(prefix); is || more {
		return Destination{Kind: TLS}, more
	}
	h, more = httpHost(prefix)
	if more && full {
		h.Kind = HTTP // it may still become a request
	}
	return h, more && !full
}

// HostAtEnd looks at all that a client sent which sends no more: a request whose
// end is missing is taken for one, as some servers do. A ClientHello that is not
// whole has no name.
func HostAtEnd(all []byte) Destination {
	h, _ := Host(append(slices.Clip(all), "\r\n\r\n"...))
	return h
}

// canonical is a host as Destination.Name has it; empty, if it is none.
func canonical(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String()
	}
	name, _ := egress.CanonicalName(host)
	return name
}
