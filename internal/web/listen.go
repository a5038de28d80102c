package web

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
)

// freeTries is how many free ports are tried until one is free at both addresses.
const freeTries = 16

// Loopbacks are the addresses that browsers take for every name below .localhost. They
// ask the first that answers.
func Loopbacks() []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
}

// Listeners have one port of this host, at each of its loopback addresses: whoever had it
// at the other one would get the console's visitors, and their cookies.
type Listeners []net.Listener

// Listen takes the console's port: "ADDRESS:PORT" with 127.0.0.1 or [::1], at both of
// which it listens where the host has IPv6. Port 0 is any free one; a port that is taken
// is Unavailable.
func Listen(ctx context.Context, address string) (Listeners, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || !slices.Contains(Loopbacks(), addr.Addr()) {
		return nil, fault.New(fault.Invalid, "%s is not 127.0.0.1 or [::1] with a port, such as 127.0.0.1:7777", address)
	}
	tries := 1
	if addr.Port() == 0 {
		tries = freeTries
	}
	var all Listeners
	for range tries {
		if all, err = Listeners(nil).complete(ctx, addr.Port()); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the web console cannot listen on %s", address)
	}
	return all, nil
}

// Adopt is the console's port as another daemon of this user had it until now. An error
// says that these are not such listeners; they are closed.
func Adopt(ctx context.Context, had []net.Listener) (Listeners, error) {
	all := Listeners(had)
	if len(all) == 0 {
		return nil, fault.New(fault.Invalid, "there are no listeners")
	}
	for _, l := range all {
		if !slices.Contains(Loopbacks(), at(l).Addr()) || at(l).Port() != all.Port() {
			return nil, errors.Join(fault.New(fault.Invalid, "%s is not the console's port", l.Addr()), all.Close())
		}
	}
	return all.complete(ctx, all.Port())
}

// complete takes a port at each loopback address that this host has, and that is not among
// all yet. After an error all are closed.
func (all Listeners) complete(ctx context.Context, port uint16) (Listeners, error) {
	var config net.ListenConfig
	for _, addr := range Loopbacks() {
		if slices.ContainsFunc(all, func(l net.Listener) bool { return at(l).Addr() == addr }) {
			continue
		}
		l, err := config.Listen(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
		if err != nil && addr.Is6() && withoutIPv6(err) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, l)
		port = all.Port()
	}
	return all, nil
}

func withoutIPv6(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// Port is that of all of them.
func (all Listeners) Port() uint16 { return at(all[0]).Port() }

// at is where a listener listens; of no TCP the zero value.
func at(l net.Listener) netip.AddrPort {
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
}

// Close gives the port up.
func (all Listeners) Close() error {
	errs := make([]error, 0, len(all))
	for _, one := range all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}
