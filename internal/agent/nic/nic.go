// Package nic configures the guest's network card by rtnetlink(7), for images
// that bring no program to do so.
package nic

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/rtnetlink"
)

// Config is what a network card is given.
type Config struct {
	MTU       int            // 0: as it is
	Addresses []netip.Prefix // the guest's, with the length of the network's prefix
	Gateways  []netip.Addr   // of the default routes
}

// ByMAC returns the name of the network card with this hardware address, or ""
// when there is none (yet). sys is where sysfs is mounted.
func ByMAC(sys, mac string) (string, error) {
	files, err := filepath.Glob(filepath.Join(sys, "class/net/*/address"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && strings.EqualFold(strings.TrimSpace(string(data)), mac) {
			return filepath.Base(filepath.Dir(file)), nil
		}
	}
	return "", nil
}

// Loopback brings the loopback interface up.
func Loopback() error {
	c, err := rtnetlink.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	index, err := c.Index("lo")
	if err != nil {
		return err
	}
	return c.Ask("bring the loopback interface up", linkUp(index, 0))
}

// Up gives the card called name its addresses, brings it up and makes the
// default routes. A kernel without IPv6 gets the IPv4 part, and without says so.
// What is so already is no error.
func Up(name string, cfg Config) (without6 bool, err error) {
	c, err := rtnetlink.Dial()
	if err != nil {
		return false, err
	}
	defer c.Close()
	index, err := c.Index(name)
	if err != nil {
		return false, err
	}
	if without6, err = quiet6(name); err != nil {
		return false, err
	}
	for _, p := range cfg.Addresses {
		if without6 && p.Addr().Is6() {
			continue
		}
		if err := c.Ask("give "+name+" the address "+p.String(), address(index, p)); err != nil {
			return false, err
		}
	}
	if err := c.Ask("bring "+name+" up", linkUp(index, cfg.MTU)); err != nil {
		return false, err
	}
	for _, via := range cfg.Gateways {
		if without6 && via.Is6() {
			continue
		}
		if err := c.Ask("route by "+via.String(), defaultRoute(index, via)); err != nil {
			return false, err
		}
	}
	return without6, nil
}

// quiet6 has the card's addresses usable at once, and no router's word taken:
// the network is the monitor's, and static. It reports a kernel without IPv6.
func quiet6(name string) (without bool, err error) {
	dir := filepath.Join("/proc/sys/net/ipv6/conf", name)
	off, err := os.ReadFile(filepath.Join(dir, "disable_ipv6"))
	if errors.Is(err, os.ErrNotExist) || err == nil && strings.TrimSpace(string(off)) != "0" {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, key := range []string{"accept_dad", "accept_ra"} {
		if err := os.WriteFile(filepath.Join(dir, key), []byte("0"), 0); err != nil {
			return false, err
		}
	}
	return false, nil
}
