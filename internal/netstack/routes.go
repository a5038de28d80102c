package netstack

import (
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxRoutes bounds the routes that are read: a router with the internet's own has
// none that is the host's network.
const maxRoutes = 4096

// readRoutes are the networks that the main table of the host leads to by routes of
// their own, as proc(5) has them; what cannot be read has none.
func readRoutes(dir string) (out []netip.Prefix) {
	const routeUp, routeReject = 1, 0x200
	lines := func(file string) []string {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil
		}
		all := strings.Split(string(text), "\n")
		return all[:min(len(all), maxRoutes)]
	}
	for _, line := range lines("route") { // Iface Destination Gateway Flags RefCnt Use Metric Mask …
		words := strings.Fields(line)
		if len(words) < 8 {
			continue
		}
		to, toErr := hex.DecodeString(words[1])
		mask, maskErr := hex.DecodeString(words[7])
		flags, flagsErr := strconv.ParseUint(words[3], 16, 32)
		if toErr != nil || maskErr != nil || flagsErr != nil || len(to) != 4 || len(mask) != 4 || flags&routeUp == 0 || flags&routeReject != 0 {
			continue
		}
		slices.Reverse(to) // the host's order, which is little-endian
		slices.Reverse(mask)
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte(to)), onesOf(mask)))
	}
	for _, line := range lines("ipv6_route") { // destination length source length gateway metric refcnt use flags device
		words := strings.Fields(line)
		if len(words) < 10 || words[9] == "lo" {
			continue
		}
		to, toErr := hex.DecodeString(words[0])
		bits, bitsErr := strconv.ParseUint(words[1], 16, 8)
		flags, flagsErr := strconv.ParseUint(words[8], 16, 32)
		if toErr != nil || bitsErr != nil || flagsErr != nil || len(to) != 16 || bits > 128 || flags&routeUp == 0 || flags&routeReject != 0 {
			continue
		}
		out = append(out, netip.PrefixFrom(netip.AddrFrom16([16]byte(to)), int(bits)))
	}
	return out
}

func onesOf(mask []byte) (bits int) {
	for _, b := range mask {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	return bits
}
