package portspec

import (
	"errors"
	"net"
	"strconv"

	"github.com/bangervm/banger/internal/api"
)

// ParsePublish reads [HOSTADDR:]HOSTPORT:GUESTPORT[/udp]. A HOSTPORT of 0, or
// none, is any free one. The error says what is wrong with text, without it.
func ParsePublish(text string) (api.Publish, error) {
	rest, proto, err := cutProto(text)
	if err != nil {
		return api.Publish{}, err
	}
	words := splitAddress(rest)
	p := api.Publish{Proto: proto}
	switch len(words) {
	case 2:
	case 3:
		addr, err := parseAddress(words[0])
		if err != nil {
			return api.Publish{}, err
		}
		p.HostAddress, words = addr.String(), words[1:]
	default:
		return api.Publish{}, errors.New("it is not in the form [ADDR:]HOST:GUEST[/udp]")
	}
	if p.HostPort, err = parsePort(words[0], true); err != nil {
		return api.Publish{}, err
	}
	if p.GuestPort, err = parsePort(words[1], false); err != nil {
		return api.Publish{}, err
	}
	return p, nil
}

// PublishText is p as ParsePublish reads it.
func PublishText(p api.Publish) string {
	text := strconv.Itoa(p.HostPort) + ":" + strconv.Itoa(p.GuestPort)
	if p.HostAddress != "" {
		text = net.JoinHostPort(p.HostAddress, text)
	}
	if p.Proto == api.ProtoUDP {
		text += "/udp"
	}
	return text
}
