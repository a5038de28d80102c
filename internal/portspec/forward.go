package portspec

import (
	"errors"
	"net"
	"path"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// ForwardForm is what ParseForward reads.
const ForwardForm = "[HOSTADDR:]HOSTPORT:[GUESTADDR:]GUESTPORT[/udp]; either side can also be the absolute path of a Unix socket"

// ParseForward reads a forward of ForwardForm. The host's side of one without
// HOSTADDR begins with a colon, and a path there may be relative, which the daemon
// does not take. The error says what is wrong with text, without it.
func ParseForward(text string) (api.Forward, error) {
	rest, proto := text, api.ProtoTCP
	// In a path, what stands behind a slash is no protocol.
	if at := strings.IndexByte(text, '/'); at > 0 && isDigit(text[at-1]) && !strings.ContainsAny(text[at+1:], "/:") {
		var err error
		if rest, proto, err = cutProto(text); err != nil {
			return api.Forward{}, err
		}
	}
	words := splitAddress(rest)
	host, words, err := forwardSide(words, true)
	if err != nil {
		return api.Forward{}, err
	}
	if len(words) == 0 {
		return api.Forward{}, errors.New("the guest side is missing")
	}
	guest, words, err := forwardSide(words, false)
	switch {
	case err != nil:
		return api.Forward{}, err
	case len(words) > 0:
		return api.Forward{}, errors.New(strconv.Quote(strings.Join(words, ":")) + " is not part of a forward")
	}
	if isPath(host) || isPath(guest) {
		if proto == api.ProtoUDP {
			return api.Forward{}, errors.New("a Unix socket cannot carry UDP")
		}
		proto = api.ProtoUnix
	}
	return api.Forward{Proto: proto, Host: host, Guest: guest}, nil
}

// forwardSide takes the words of one side of a forward from the front.
func forwardSide(words []string, host bool) (side string, rest []string, err error) {
	first := words[0]
	if strings.Contains(first, "/") {
		if !host && !path.IsAbs(first) {
			err = errors.New(strconv.Quote(first) + " is not an absolute path")
		}
		return first, words[1:], err
	}
	_, err = parsePort(first, host)
	if err == nil {
		if host {
			first = ":" + zeroPort(first)
		}
		return first, words[1:], nil
	}
	addr, addrErr := parseAddress(first)
	if addrErr != nil {
		if len(words) == 1 {
			return "", nil, err
		}
		return "", nil, addrErr
	}
	if len(words) < 2 {
		return "", nil, errors.New("no port after " + strconv.Quote(first))
	}
	if _, err := parsePort(words[1], host); err != nil {
		return "", nil, err
	}
	return net.JoinHostPort(addr.String(), zeroPort(words[1])), words[2:], nil
}

func zeroPort(text string) string {
	if text == "" {
		return "0"
	}
	return text
}

func isPath(side string) bool { return strings.Contains(side, "/") }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// ForwardText is w as ParseForward reads it.
func ForwardText(w api.Forward) string {
	text := w.Host + ":" + w.Guest
	if w.Proto == api.ProtoUDP {
		text += "/udp"
	}
	return text
}

// SameGuest compares two guest sides, where a port alone is one of its loopback.
func SameGuest(a, b string) bool {
	full := func(s string) string {
		if strings.ContainsAny(s, ":/") {
			return s
		}
		return "127.0.0.1:" + s
	}
	return full(a) == full(b)
}
