package portmap

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

// Publish puts the VM's published ports, which are valid, on the host. One that
// is taken is no error: it is shown as a problem, and tried again every few seconds.
func (m *Map) Publish(ports []vm.Publish) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range ports {
		k := key{p.Proto, uint16(p.GuestPort)}
		host, _ := netip.ParseAddr(p.HostAddress) // it was validated
		e := newEntry(monitorrpc.SourcePublished, k.proto, target{key: k})
		e.want = netip.AddrPortFrom(host.Unmap(), uint16(p.HostPort))
		m.published = append(m.published, e)
		m.bind(e)
	}
	m.arm()
}

// arm sees to it that what is not on the host is tried again; the caller holds mu.
// A guest that changes its ports all the time puts nothing off.
func (m *Map) arm() {
	missing := slices.ContainsFunc(m.entries(), func(e *entry) bool { return !e.live && e.want.Addr().IsValid() })
	if !missing || m.closed || m.armed {
		return
	}
	m.armed = true
	if m.retry == nil {
		m.retry = time.AfterFunc(m.again, m.tryAgain)
		return
	}
	m.retry.Reset(m.again)
}

func (m *Map) tryAgain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.armed = false
	for _, e := range m.entries() {
		if !e.live {
			m.bind(e)
		}
	}
	m.arm()
}

// Forward puts a listener on the host that leads into the guest, and returns
// the Forward as it was made. The errors are Invalid, Conflict when the host's
// address is taken, and PermissionDenied.
func (m *Map) Forward(f monitorrpc.Forward) (monitorrpc.Forward, error) {
	e, err := m.parse(f)
	if err != nil {
		return f, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return f, fault.New(fault.Unavailable, "the VM has ended")
	}
	if err := m.tryBind(e); err != nil {
		return f, fault.CannotListen(err, f.Host)
	}
	m.forwards = append(m.forwards, e)
	return e.forward(), nil
}

// Remove takes a forward back, by its protocol and its place on the host; its
// connections may finish. The error is NotFound.
func (m *Map) Remove(f monitorrpc.Forward) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.forwards, func(e *entry) bool {
		has := e.forward()
		return has.Host == f.Host && (has.Proto == f.Proto || f.Proto == "")
	})
	if i < 0 {
		return fault.New(fault.NotFound, "no %s forward at %s", f.Proto, f.Host)
	}
	m.forwards[i].unbind()
	m.forwards = slices.Delete(m.forwards, i, i+1)
	return nil
}

// forward tells of an entry in the words of the request.
func (e *entry) forward() monitorrpc.Forward {
	f := monitorrpc.Forward{Proto: e.network, Host: e.at.String(), Guest: e.to.address}
	if e.path != "" {
		f.Host = e.path
	}
	if f.Guest == "" {
		f.Guest = strconv.Itoa(int(e.to.key.port))
	}
	if e.to.key.proto == "unix" {
		f.Proto = "unix"
	}
	return f
}

// parse reads a Forward. A path on either side is a unix socket there.
func (m *Map) parse(f monitorrpc.Forward) (*entry, error) {
	refuse := func(format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).
			WithHint("a forward goes from ADDRESS:PORT or /PATH to PORT, ADDRESS:PORT or /PATH")
	}
	if f.Proto != "tcp" && f.Proto != "udp" && f.Proto != "unix" {
		return nil, refuse("protocol is %q, not tcp, udp or unix", f.Proto)
	}
	network := f.Proto
	if network == "unix" {
		network = "tcp" // on the side that is no path
	}
	to, err := parseGuest(network, f.Guest)
	if err != nil {
		return nil, refuse("%q is not a port, address or path in the guest", f.Guest)
	}
	e := newEntry(monitorrpc.SourceForward, network, to)
	switch {
	case strings.HasPrefix(f.Host, "/"):
		e.network, e.path = "unix", f.Host
		if len(f.Host) > vm.MaxSocketPath || strings.ContainsRune(f.Host, 0) {
			return nil, refuse("the path of a socket has at most %d bytes; %q has %d", vm.MaxSocketPath, f.Host, len(f.Host))
		}
	default:
		e.want, err = netip.ParseAddrPort(f.Host)
		if err != nil || e.want.Addr().Zone() != "" {
			return nil, refuse("%q is not an ADDRESS:PORT or path on the host", f.Host)
		}
		e.want = netip.AddrPortFrom(e.want.Addr().Unmap(), e.want.Port())
	}
	paths := e.path != "" || to.key.proto == "unix"
	if f.Proto == "udp" && paths || f.Proto == "unix" && !paths {
		return nil, refuse("cannot forward %s from %q to %q", f.Proto, f.Host, f.Guest)
	}
	return e, nil
}

func parseGuest(network, text string) (target, error) {
	if strings.HasPrefix(text, "/") {
		if len(text) > vm.MaxSocketPath || strings.ContainsRune(text, 0) {
			return target{}, errors.New("too long")
		}
		return target{key: key{proto: "unix"}, address: text}, nil
	}
	if port, err := strconv.ParseUint(text, 10, 16); err == nil && port > 0 {
		return target{key: key{network, uint16(port)}}, nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 || at.Addr().Zone() != "" {
		return target{}, errors.Join(err, errors.New("no port"))
	}
	return target{key: key{network, at.Port()}, address: at.String()}, nil
}
