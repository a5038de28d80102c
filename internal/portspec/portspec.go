// Package portspec reads and writes, as a user types them, the ports that are
// published on the host and the forwards into a running VM.
package portspec

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// cutProto takes /tcp or /udp from the end of ports.
func cutProto(text string) (rest, proto string, err error) {
	rest, proto, found := strings.Cut(text, "/")
	switch {
	case !found:
		return text, api.ProtoTCP, nil
	case proto == api.ProtoTCP || proto == api.ProtoUDP:
		return rest, proto, nil
	default:
		return "", "", errors.New(strconv.Quote(proto) + " is not tcp or udp")
	}
}

// splitAddress splits at the colons that are not in brackets.
func splitAddress(text string) []string {
	depth, from := 0, 0
	var words []string
	for i, r := range text {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ':' && depth == 0:
			words = append(words, text[from:i])
			from = i + 1
		}
	}
	return append(words, text[from:])
}

// parseAddress reads an IP address; one of IPv6 stands in brackets.
func parseAddress(text string) (netip.Addr, error) {
	bare, bracketed := strings.CutPrefix(text, "[")
	if bracketed {
		bare = strings.TrimSuffix(bare, "]")
	}
	addr, err := netip.ParseAddr(bare)
	if err != nil || addr.Is6() != bracketed {
		return netip.Addr{}, errors.New(strconv.Quote(text) + " is not an IP address")
	}
	return addr, nil
}

// parsePort reads a port; choose lets it be 0 or empty, for any free one.
func parsePort(text string, choose bool) (int, error) {
	if text == "" && choose {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 && !choose {
		return 0, errors.New(strconv.Quote(text) + " is not a valid port")
	}
	return int(n), nil
}
