package nic

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/rtnetlink"
)

func linkUp(index int32, mtu int) rtnetlink.Message {
	m := rtnetlink.Link(unix.RTM_NEWLINK, index, true)
	if mtu > 0 {
		m.Number(unix.IFLA_MTU, uint32(mtu))
	}
	return m
}

// address: struct ifaddrmsg. Nobody else has a static address of this network,
// so there is nothing to detect.
func address(index int32, p netip.Prefix) rtnetlink.Message {
	m := rtnetlink.Message{Kind: unix.RTM_NEWADDR, Flags: unix.NLM_F_CREATE | unix.NLM_F_REPLACE, Body: make([]byte, unix.SizeofIfAddrmsg)}
	m.Body[0], m.Body[1] = family(p.Addr()), byte(p.Bits())
	if p.Addr().Is6() {
		m.Body[2] = unix.IFA_F_NODAD
	}
	binary.NativeEndian.PutUint32(m.Body[4:], uint32(index))
	m.Attribute(unix.IFA_LOCAL, p.Addr().AsSlice())
	m.Attribute(unix.IFA_ADDRESS, p.Addr().AsSlice())
	return m
}

// defaultRoute: struct rtmsg.
func defaultRoute(index int32, via netip.Addr) rtnetlink.Message {
	m := rtnetlink.Message{Kind: unix.RTM_NEWROUTE, Flags: unix.NLM_F_CREATE | unix.NLM_F_REPLACE, Body: make([]byte, unix.SizeofRtMsg)}
	m.Body[0] = family(via)
	m.Body[4], m.Body[5], m.Body[6], m.Body[7] = unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST
	m.Attribute(unix.RTA_GATEWAY, via.AsSlice())
	m.Number(unix.RTA_OIF, uint32(index))
	return m
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
