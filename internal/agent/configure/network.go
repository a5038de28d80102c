package configure

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/agent/device"
	"github.com/bangervm/banger/internal/agent/nic"
	"github.com/bangervm/banger/internal/agentrpc"
)

// nicTimeout bounds the wait for the network card, whose driver is loaded.
const nicTimeout = 5 * time.Second

// network brings the loopback interface up, and gives the network card, where
// there is one, what Configure says.
func (c *configuring) network(ctx context.Context) error {
	if err := nic.Loopback(); err != nil {
		return err
	}
	n := c.cfg.Network
	if n == nil {
		return nil
	}
	cfg, err := nicConfig(n)
	if err != nil {
		return err
	}
	name, err := awaitNIC(ctx, n.MAC)
	if err != nil {
		return err
	}
	if c.result.Without6, err = nic.Up(name, cfg); err != nil {
		return err
	}
	for _, f := range networkFiles(n, c.tree.has) {
		c.put(f)
	}
	return nil
}

func nicConfig(n *agentrpc.Network) (nic.Config, error) {
	cfg := nic.Config{MTU: n.MTU}
	for _, text := range n.Address {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return cfg, err
		}
		cfg.Addresses = append(cfg.Addresses, p)
	}
	for _, text := range n.Gateway {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return cfg, err
		}
		cfg.Gateways = append(cfg.Gateways, a)
	}
	return cfg, nil
}

func awaitNIC(ctx context.Context, mac string) (name string, err error) {
	ctx, cancel := context.WithTimeout(ctx, nicTimeout)
	defer cancel()
	err = device.Await(ctx, func() (bool, error) {
		name, err = nic.ByMAC(device.Sys, mac)
		return name != "", err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return "", fmt.Errorf("no network card %s: this kernel may lack virtio_net; a VM without a network does not need it", mac)
	}
	return name, err
}

// networkFiles are what says in the guest how its network is: to its resolver,
// and to those of the usual network managers that it has, which would take the
// configuration away again. What they need not touch, they are told to leave.
func networkFiles(n *agentrpc.Network, has func(path string) bool) []agentrpc.File {
	var resolv strings.Builder
	resolv.WriteString("# by banger, at each start\n")
	if len(n.Search) > 0 {
		resolv.WriteString("search " + strings.Join(n.Search, " ") + "\n")
	}
	for _, server := range n.DNS {
		resolv.WriteString("nameserver " + server + "\n")
	}
	// Also in the place of a link to what a service in the image would write: it
	// may not run, or know no server.
	files := []agentrpc.File{{Path: "/etc/resolv.conf", Mode: 0o644, Data: []byte(resolv.String())}}
	if has("/usr/lib/systemd/systemd-networkd") || has("/lib/systemd/systemd-networkd") {
		files = append(files, networkdFile(n))
	}
	if has("/usr/sbin/NetworkManager") || has("/sbin/NetworkManager") {
		files = append(files, agentrpc.File{
			Path: "/run/NetworkManager/conf.d/00-banger.conf", Mode: 0o644,
			Data: []byte("[main]\nrc-manager=unmanaged\n[device-banger]\nmatch-device=mac:" + n.MAC + "\nmanaged=0\n"),
		})
	}
	return files
}

// networkdFile has systemd-networkd (systemd.network(5)) manage the card, with
// what it has already: were it unmanaged, systemd-networkd-wait-online would
// wait in vain. Of all files, the first by name counts.
func networkdFile(n *agentrpc.Network) agentrpc.File {
	var b strings.Builder
	fmt.Fprintf(&b, "[Match]\nMACAddress=%s\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nKeepConfiguration=static\n", n.MAC)
	for _, via := range n.Gateway {
		b.WriteString("Gateway=" + via + "\n")
	}
	for _, server := range n.DNS {
		b.WriteString("DNS=" + server + "\n")
	}
	for _, a := range n.Address {
		b.WriteString("[Address]\nAddress=" + a + "\nDuplicateAddressDetection=none\n")
	}
	return agentrpc.File{Path: "/run/systemd/network/00-banger.network", Mode: 0o644, Data: []byte(b.String())}
}
