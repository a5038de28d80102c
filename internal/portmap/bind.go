package portmap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// lift is added to a port that cannot be had on the host.
const lift = 20000

// entry is one port of the host, or one that should be.
type entry struct {
	source  monitorrpc.Source
	to      target
	network string         // of the host's listener: "tcp", "udp" or "unix"
	want    netip.AddrPort // where it should be; of an auto entry it is tried there first
	path    string         // of a unix socket

	at      netip.AddrPort // where it is
	live    bool           // it is on the host
	problem string         // else why not
	unbind  func()         // harmless when it is not bound
}

func newEntry(source monitorrpc.Source, network string, to target) *entry {
	return &entry{source: source, network: network, to: to, unbind: func() {}}
}

// reconcile makes the auto listeners those of the sockets; the caller holds mu.
func (m *Map) reconcile() {
	for k, e := range m.auto {
		if s, ok := m.sockets[k]; !ok || !m.shown(s) {
			e.unbind()
			delete(m.auto, k)
		}
	}
	keys := make([]key, 0, len(m.sockets))
	for k, s := range m.sockets {
		if m.shown(s) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compareKeys)
	for _, k := range keys {
		if m.auto[k] != nil || m.covered(k) {
			continue
		}
		e := newEntry(monitorrpc.SourceAuto, k.proto, target{key: k})
		e.want = netip.AddrPortFrom(m.cfg.Loopback, k.port)
		m.auto[k] = e
		m.bind(e)
	}
	m.arm()
}

// covered reports whether a published port leads to k from the VM's own address.
func (m *Map) covered(k key) bool {
	return slices.ContainsFunc(m.published, func(e *entry) bool {
		return e.to.key == k && e.want.Addr() == m.cfg.Loopback
	})
}

// bind tries to put an entry on the host; the caller holds mu.
func (m *Map) bind(e *entry) {
	if err := m.tryBind(e); err != nil {
		e.problem = err.Error()
		return
	}
	e.problem = ""
}

func (m *Map) tryBind(e *entry) error {
	most := maxListeners
	if e.source == monitorrpc.SourceAuto {
		most = maxAuto
	}
	if m.live >= most {
		return fmt.Errorf("%d ports of this VM are already on the host", m.live)
	}
	if e.network == "unix" {
		return m.bindUnix(e)
	}
	if !e.want.Addr().IsValid() {
		return errors.New("the VM has no loopback address on the host")
	}
	err := m.bindPort(e, e.want)
	if e.source != monitorrpc.SourceAuto || !taken(err) && !errors.Is(err, syscall.EACCES) {
		return err
	}
	if lifted := int(e.want.Port()) + lift; lifted <= 0xffff &&
		m.bindPort(e, netip.AddrPortFrom(e.want.Addr(), uint16(lifted))) == nil {
		return nil
	}
	return m.bindPort(e, netip.AddrPortFrom(e.want.Addr(), 0))
}

func taken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

func (m *Map) bindPort(e *entry, at netip.AddrPort) error {
	if e.network == "udp" {
		conn, err := net.ListenUDP(family("udp", at), net.UDPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		m.bound(e, conn.LocalAddr(), m.serveUDP(conn, e))
		return nil
	}
	l, err := net.ListenTCP(family("tcp", at), net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	m.work.Go(func() { m.accept(l, e) })
	m.bound(e, l.Addr(), func() { _ = l.Close() })
	return nil
}

// family keeps a listener on 0.0.0.0 from being one for IPv6 too.
func family(network string, at netip.AddrPort) string {
	if at.Addr().Is4() {
		return network + "4"
	}
	return network + "6"
}

// bound makes e one that is on the host; its unbind needs mu, as this does.
func (m *Map) bound(e *entry, at net.Addr, unbind func()) {
	if a, ok := at.(interface{ AddrPort() netip.AddrPort }); ok {
		e.at = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	e.live = true
	m.live++
	e.unbind = func() {
		unbind()
		m.live--
		e.live, e.at, e.unbind = false, netip.AddrPort{}, func() {}
	}
}
