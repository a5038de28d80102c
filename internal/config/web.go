package config

import (
	"net/netip"
	"path/filepath"

	"github.com/bangervm/banger/internal/fault"
)

// Web is the [web] table.
type Web struct {
	// Listen is "ADDRESS:PORT", the address 127.0.0.1 or [::1], or WebOff.
	Listen string `json:"listen"`
	// Roots are absolute directories that the console's picker of paths shows, besides the
	// user's home.
	Roots []string `json:"roots"`
}

// WebOff is Web.Listen of no console.
const WebOff = "off"

func (w Web) validate() error {
	for _, root := range w.Roots {
		if !filepath.IsAbs(root) {
			return fault.New(fault.Invalid, "web.roots: %q is not an absolute path", root).WithHint("for example /srv/images")
		}
	}
	if w.Listen == WebOff {
		return nil
	}
	addr, err := netip.ParseAddrPort(w.Listen)
	if err != nil || addr.Addr() != netip.IPv6Loopback() && addr.Addr() != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return fault.New(fault.Invalid, "web.listen %q is not 127.0.0.1 or [::1] with a port", w.Listen).
			WithHint("for example 127.0.0.1:7777, 127.0.0.1:0 for any free port, or off")
	}
	return nil
}
