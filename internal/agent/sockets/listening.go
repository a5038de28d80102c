package sockets

import (
	"bytes"
	"cmp"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// listener is a socket that waits for others.
type listener struct {
	proto string
	local netip.AddrPort
	inode uint64
}

// look returns the TCP sockets that listen and the UDP sockets that look like a
// server's, by protocol, port and address.
func look(scan func(table string, each func(entry) (more bool)) error, ephemeral portRange) ([]listener, error) {
	var found []listener
	add := func(proto string, e entry) {
		local := netip.AddrPortFrom(e.local.Addr().Unmap(), e.local.Port())
		found = append(found, listener{proto, local, e.inode})
	}
	for _, table := range tables("tcp") {
		// The kernel lists those that listen first, so that many connections cost
		// nothing.
		err := scan(table, func(e entry) bool {
			if e.state == stateListen {
				add("tcp", e)
			}
			return e.state == stateListen
		})
		if err != nil {
			return nil, err
		}
	}
	for _, table := range tables("udp") {
		err := scan(table, func(e entry) bool {
			if e.state == stateClose && serves(e.local.Port(), ephemeral) {
				add("udp", e)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b listener) int {
		return cmp.Or(cmp.Compare(a.proto, b.proto), cmp.Compare(a.local.Port(), b.local.Port()),
			a.local.Addr().Compare(b.local.Addr()), cmp.Compare(a.inode, b.inode))
	})
	return found, nil
}

// portRange is what the kernel gives to sockets that ask for no port.
type portRange struct{ first, last uint16 }

// serves tells a server's UDP port from a client's: the kernel chose the port of
// most clients, and those of DHCP have their own ports.
func serves(port uint16, ephemeral portRange) bool {
	const dhcpClient, dhcp6Client = 68, 546
	if port == 0 || port == dhcpClient || port == dhcp6Client {
		return false
	}
	return port < ephemeral.first || port > ephemeral.last
}

// ephemeralPorts reads the range, and falls back to the kernel's default.
func ephemeralPorts(proc string) portRange {
	data, _ := os.ReadFile(filepath.Join(proc, "sys/net/ipv4/ip_local_port_range"))
	fields := bytes.Fields(data)
	if len(fields) == 2 {
		first, err1 := strconv.ParseUint(string(fields[0]), 10, 16)
		last, err2 := strconv.ParseUint(string(fields[1]), 10, 16)
		if err1 == nil && err2 == nil {
			return portRange{uint16(first), uint16(last)}
		}
	}
	return portRange{32768, 60999}
}
