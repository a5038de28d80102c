package sockdiag

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// byTable looks in proc_net(5)'s tables for the socket whose own address is
// local: the way where sock_diag is not to be had, as in some containers.
func byTable(proto string, local, remote netip.AddrPort) (owner, error) {
	return inTable(proto, local, remote, proto == UDP)
}

// inTable looks for one socket; wide: or for one that receives from everybody.
func inTable(proto string, local, remote netip.AddrPort, wide bool) (owner, error) {
	// A socket of IPv6 may have a connection of IPv4.
	for _, name := range []string{proto, proto + "6"} {
		f, err := os.Open("/proc/net/" + name)
		if err != nil {
			if name != proto { // a host without IPv6
				continue
			}
			return owner{}, err
		}
		found, err := search(f, local, remote, wide)
		_ = f.Close()
		if err == nil || !isAbsent(err) {
			return found, err
		}
	}
	return owner{}, errAbsent
}

// Holder returns whose program listens at an address of this host; false when
// none does.
func Holder(proto string, at netip.AddrPort) (uid int, found bool, err error) {
	nobody := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if at.Addr().Is6() {
		nobody = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	has, err := inTable(proto, at, nobody, true)
	if isAbsent(err) {
		return 0, false, nil
	}
	return has.uid, err == nil, err
}

func isAbsent(err error) bool { return err == errAbsent } //nolint:errorlint // it is never wrapped here

// search finds a connection, or else, if wide, a socket that receives from everybody
// at local.
func search(r io.Reader, local, remote netip.AddrPort, wide bool) (owner, error) {
	lines := bufio.NewScanner(r)
	var receiver *owner
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		own, ok1 := parseAddr(fields[1])
		other, ok2 := parseAddr(fields[2])
		uid, err1 := strconv.Atoi(fields[7])
		inode, err2 := strconv.ParseUint(fields[9], 10, 64)
		if !ok1 || !ok2 || err1 != nil || err2 != nil || own.Port() != local.Port() {
			continue // the heading, or another one's
		}
		one := owner{uid: uid, inode: inode}
		switch {
		case own == local && other == remote:
			return one, nil
		case wide && other.Port() == 0 && (own == local || own.Addr().IsUnspecified()):
			receiver = &one
		}
	}
	if err := lines.Err(); err != nil {
		return owner{}, err
	}
	if receiver != nil {
		return *receiver, nil
	}
	return owner{}, errAbsent
}

// parseAddr reads "0100007F:1F90": words of the address in the host's order of
// bytes, and the port.
func parseAddr(text string) (netip.AddrPort, bool) {
	words, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(words)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || portErr != nil || !slices.Contains([]int{4, 16}, len(raw)) {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), true
}
