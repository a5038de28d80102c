package vm

import (
	"context"
	"errors"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// PortsMode says which of a guest's listeners appear on the host by themselves.
type PortsMode string

// The modes: all of them; those that the guest offers to others than itself,
// bound to all addresses or to its network card's; none.
const (
	PortsAll    PortsMode = "all"
	PortsShared PortsMode = "shared"
	PortsNone   PortsMode = "none"
)

// Validate refuses an unknown mode: Invalid.
func (m PortsMode) Validate() error {
	switch m {
	case PortsAll, PortsShared, PortsNone:
		return nil
	}
	return fault.New(fault.Invalid, "ports is %q, not all, shared or none", string(m)).WithHint("use all, shared or none")
}

// Ports returns what of a living VM can be reached on the host.
func (s *Service) Ports(ctx context.Context, name string) (VM, Ports, error) {
	v, m, err := s.machineOf(ctx, name)
	if err != nil {
		return VM{}, Ports{}, err
	}
	ports, err := m.Ports(ctx)
	return v, ports, olderMonitor(v, err)
}

const (
	// hostPortLimit bounds the wait for a port that takes connections in the guest: the agent
	// looks for it every 350 ms, and tells of it.
	hostPortLimit = 3 * time.Second
	hostPortAgain = 50 * time.Millisecond
)

// awaitOnHost waits until a TCP port of the guest is on the host, or it is known why it is
// not. It gives up after hostPortLimit: the port is open in the guest all the same.
func (w *watch) awaitOnHost(ctx context.Context, port int) {
	ctx, cancel := context.WithTimeout(ctx, hostPortLimit)
	defer cancel()
	for {
		ports, err := w.current().Ports(ctx)
		if err != nil || slices.ContainsFunc(ports.Ports, func(p Port) bool {
			return p.Proto == "tcp" && int(p.GuestPort) == port && p.Source == "auto" && (p.HostAddress != "" || p.Problem != "")
		}) {
			return
		}
		if !w.pauseFor(ctx, hostPortAgain) {
			return
		}
	}
}

// AddForward leads from a listener of the host into a living VM, until it is
// removed or the VM stops. It returns the forward as it was made.
func (s *Service) AddForward(ctx context.Context, name string, f Forward) (Forward, error) {
	f, err := f.complete()
	if err != nil {
		return Forward{}, err
	}
	v, m, err := s.machineOf(ctx, name)
	if err != nil {
		return Forward{}, err
	}
	made, err := m.AddForward(ctx, f)
	return made, olderMonitor(v, err)
}

// RemoveForward removes the forward with the Proto and Host of f. NotFound when
// there is none.
func (s *Service) RemoveForward(ctx context.Context, name string, f Forward) error {
	v, m, err := s.machineOf(ctx, name)
	if err != nil {
		return err
	}
	return olderMonitor(v, m.RemoveForward(ctx, f))
}

// Stats tells what a living VM takes. v is as it was looked up just now.
func (s *Service) Stats(ctx context.Context, v VM) (Stats, error) {
	m, err := s.machine(ctx, v)
	if err != nil {
		return Stats{}, err
	}
	stats, err := m.Stats(ctx)
	return stats, olderMonitor(v, err)
}

// machineOf finds a VM and its machine.
func (s *Service) machineOf(ctx context.Context, name string) (VM, Machine, error) {
	v, err := s.Get(ctx, name)
	if err != nil {
		return VM{}, nil, err
	}
	m, err := s.machine(ctx, v)
	return v, m, err
}

// machine finds the machine of a living VM. It does not wait for the verb
// under way, except for one that is starting the machine.
func (s *Service) machine(ctx context.Context, v VM) (Machine, error) {
	if !v.State.Alive() {
		return nil, notRunning(v)
	}
	w, err := s.unclaimed(ctx, v, "look at the machine")
	if err != nil {
		return nil, err
	}
	return w.current(), nil
}

// olderMonitor adds what helps against a monitor that is of an earlier build.
func olderMonitor(v VM, err error) error {
	if errors.Is(err, fault.Conflict) && len(fault.HintOf(err)) == 0 {
		return fault.Wrap(fault.Conflict, err, "VM %s", v.Name).Try(act.VMRestart.On(v.Name))
	}
	return err
}

// complete validates a forward, and writes it in one way. One of the protocol unix
// has a socket's path on either side, or on both.
func (f Forward) complete() (Forward, error) {
	switch {
	case f.Proto != "unix" && f.Proto != "tcp" && f.Proto != "udp":
		return f, fault.New(fault.Invalid, "protocol %q cannot be forwarded", plain.Value(f.Proto)).WithHint("use tcp, udp or unix")
	case f.Proto == "unix" && absolute(f.Host):
	case f.Proto == "unix" && !absolute(f.Guest):
		return f, fault.New(fault.Invalid, "neither %q nor %q is the absolute path of a socket", plain.Value(f.Host), plain.Value(f.Guest)).WithHint("use absolute paths of at most %d bytes, such as /run/user/1000/docker.sock:/var/run/docker.sock", MaxSocketPath)
	default:
		host, err := netip.ParseAddrPort(f.Host)
		if err != nil || host.Addr().Zone() != "" || host.Addr().IsMulticast() {
			return f, fault.New(fault.Invalid, "%q is not an address and port of the host", plain.Value(f.Host)).WithHint("use, for example, 127.0.0.1:8080; port 0 takes any free port")
		}
		f.Host = netip.AddrPortFrom(host.Addr().Unmap(), host.Port()).String()
	}
	if absolute(f.Guest) && f.Proto != "udp" {
		return f, nil
	}
	if port, err := strconv.ParseUint(f.Guest, 10, 16); err == nil && port > 0 {
		return f, nil
	}
	if guest, err := netip.ParseAddrPort(f.Guest); err == nil && guest.Port() > 0 && guest.Addr().Zone() == "" {
		return f, nil
	}
	return f, fault.New(fault.Invalid, "%q is not a target in the guest", plain.Value(f.Guest)).
		WithHint("use a port, ADDRESS:PORT, or the absolute path of a Unix socket, at most %d bytes", MaxSocketPath)
}

// MaxSocketPath is the longest path of a Unix socket that Linux takes, in bytes:
// sun_path without its NUL.
const MaxSocketPath = 107

// absolute says that p is the path of a file, and can be a socket's name.
func absolute(p string) bool {
	return path.IsAbs(p) && path.Clean(p) == p && p != "/" && len(p) <= MaxSocketPath && !strings.ContainsRune(p, 0)
}
