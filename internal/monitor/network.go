package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"

	"github.com/bangervm/banger/internal/boundlog"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/guest"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/netstack"
	"github.com/bangervm/banger/internal/portmap"
	"github.com/bangervm/banger/internal/sockdiag"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/webprobe"
)

// networkMemory is the soft limit on the memory of a monitor that serves a
// network, in bytes.
const networkMemory = 256 << 20

// card is the other end of the guest's network card, over all boots of a start:
// a netstack.Network.
type card interface {
	nicDialer
	neighbourServer
	Attach(conn net.Conn)
	SetPolicy(policy egress.Policy)
	SetNeighbours(all []netstack.Neighbour)
	Counters() netstack.Counters
	guestNetwork
	Close() error
}

// ports are the guest's ports on the host: a portmap.Map.
type ports interface {
	guestPorts
	portTable
	Close()
}

// hostNet is the host's side of one VM's network, as long as its monitor lives:
// the guest's ports on the host and, where the guest has a network card, what
// is at its other end.
type hostNet struct {
	card       card // nil: the guest has none
	ports      ports
	records    *recordLog
	news       atomic.Pointer[board] // gets the records that are news; nil: nobody does yet
	neighbours *neighbourSocket
}

// openNetwork makes it, in the run directory. The caller closes it.
func openNetwork(dir statedir.VM, spec vm.Spec, log *slog.Logger) (*hostNet, error) {
	n := &hostNet{}
	agent := guest.Client{VM: spec.VMID, Socket: filepath.Join(".", vmm.VsockSocket), Token: spec.Guest.Token}
	way := reach{agent: agent}
	if spec.Network != nil {
		if err := n.openCard(dir, spec, agent, log); err != nil {
			return nil, errors.Join(err, n.Close())
		}
		way.nic, way.own = n.card, guestAddresses(*spec.Network)
	}
	loopback, err := loopbackOf(spec)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := checkPublish(spec.Publish); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	m := portmap.New(portmap.Config{
		Loopback: loopback, Name: spec.Name, Card: way.own, Ports: spec.Ports, Own: ownClient,
		Dial: way.dial, Probe: webprobe.Probe, Log: log,
	})
	m.Publish(spec.Publish)
	n.ports = m
	return n, nil
}

func (n *hostNet) openCard(dir statedir.VM, spec vm.Spec, agent guest.Client, log *slog.Logger) error {
	debug.SetMemoryLimit(networkMemory)
	policy, err := egress.Parse(spec.Network.Egress)
	if err != nil {
		return fmt.Errorf("spec.json: %w", err)
	}
	resolvers, err := resolversOf(*spec.Network)
	if err != nil {
		return err
	}
	file, err := boundlog.Begin(dir.EgressLog(), maxLog)
	if err != nil {
		return err
	}
	n.records = newRecordLog(file)
	network, err := netstack.New(netstack.Config{
		Network: *spec.Network, VMID: spec.VMID, Name: spec.Name, Policy: policy, Resolvers: resolvers,
		Log: n.log,
		Owner: func(ctx context.Context, proto string, port uint16) string {
			owner, err := agent.SocketOwner(ctx, proto, port)
			if err != nil {
				return "" // it is not known; the record is written all the same
			}
			return owner.Process
		},
	})
	if err != nil {
		return fmt.Errorf("make the guest's network: %w", err)
	}
	n.card = network
	n.neighbours, err = listenNeighbours(network, log)
	return err
}

// log takes a record of the guest's flows. It never waits.
func (n *hostNet) log(r monitorrpc.Record) {
	n.records.Log(r)
	if b := n.news.Load(); b != nil {
		b.egress(r)
	}
}

// attach is given the guest's network card at each boot.
func (n *hostNet) attach(conn net.Conn) {
	if n.card == nil {
		_ = conn.Close()
		return
	}
	n.card.Attach(conn)
}

// Connections implements guestNetwork.
func (n *hostNet) Connections() []vm.Connection {
	if n.card == nil {
		return nil
	}
	return n.card.Connections()
}

// Lost implements guestNetwork.
func (n *hostNet) Lost(connections []vm.Connection) {
	if n.card != nil {
		n.card.Lost(connections)
	}
}

// Close closes all listeners and flows, and waits for them.
func (n *hostNet) Close() error {
	if n.ports != nil {
		n.ports.Close()
	}
	if n.neighbours != nil {
		n.neighbours.close()
	}
	var errs []error
	if n.card != nil {
		errs = append(errs, n.card.Close())
	}
	if n.records != nil {
		errs = append(errs, n.records.Close())
	}
	return errors.Join(errs...)
}

// ownClient is portmap.OwnClient: the kernel knows whose a client is.
func ownClient(proto string, client, server netip.AddrPort) (bool, error) {
	return sockdiag.Owned(os.Getuid(), proto, client, server)
}

func loopbackOf(spec vm.Spec) (netip.Addr, error) {
	if spec.Loopback == "" {
		return netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(spec.Loopback)
	if err == nil && !addr.IsLoopback() {
		err = fmt.Errorf("%s is not a loopback address", addr)
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("spec.json: the VM's address on the host: %w", err)
	}
	return addr, nil
}

func checkPublish(ports []vm.Publish) error {
	for _, p := range ports {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("spec.json: %w", err)
		}
	}
	return nil
}

// guestAddresses are those of the guest's card; one that makes no sense is
// netstack's to refuse.
func guestAddresses(n vm.Network) []netip.Addr {
	var all []netip.Addr
	for _, text := range []string{n.Guest4, n.Guest6} {
		if p, err := netip.ParsePrefix(text); err == nil {
			all = append(all, p.Addr())
		}
	}
	return all
}

// resolversOf is nil where the host's resolv.conf counts.
func resolversOf(n vm.Network) (func() []netip.AddrPort, error) {
	if len(n.Resolvers) == 0 {
		return nil, nil //nolint:nilnil // no function, no error: the host's resolvers
	}
	var all []netip.AddrPort
	for _, text := range n.Resolvers {
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, fmt.Errorf("spec.json: a DNS server: %w", err)
		}
		all = append(all, at)
	}
	return func() []netip.AddrPort { return all }, nil
}
