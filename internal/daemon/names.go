package daemon

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strconv"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/hostdns"
	"github.com/bangervm/banger/internal/sockdiag"
	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/vm"
)

// serveNames begins to answer for .vm.
func (d *daemon) serveNames(ctx context.Context) error {
	d.renames(ctx, d.set.of(ctx).Network.NamesPort)
	return nil
}

// renames answers at another port from now on, or nowhere (0).
func (d *daemon) renames(ctx context.Context, port int) {
	d.namesMu.Lock()
	defer d.namesMu.Unlock()
	if d.names != nil {
		if err := d.names.Close(); err != nil {
			d.log.Warn("close the DNS port for names of VMs", "error", err)
		}
	}
	d.names, d.namesProblem = nil, ""
	d.listenForNames(ctx, port)
}

// namesTries is how many ports are tried, from the configured one on: another
// daemon of this user, or another user's program, may have that.
const namesTries = 8

// listenForNames is called with namesMu held. That it cannot listen ends
// nothing: it is logged, and shown.
func (d *daemon) listenForNames(ctx context.Context, port int) {
	if port == 0 {
		return
	}
	own := vm.NamesAddress(os.Getuid())
	for try := port; try < min(port+namesTries, 1<<16); try++ { // config has checked the port
		server, err := hostdns.Listen(ctx, netip.AddrPortFrom(own, uint16(try)), d.addressOf, d.log)
		if err == nil {
			d.names = server
			break
		}
		if try == port { // whoever has it can answer for every name that a resolver asks there
			d.namesProblem = takenBy(err, []string{sockdiag.TCP, sockdiag.UDP}, netip.AddrPortFrom(own, uint16(port)))
		}
		if !errors.Is(err, fault.Conflict) {
			break
		}
	}
	if d.namesProblem != "" {
		d.log.Warn("cannot answer for VM names at the configured port", "problem", d.namesProblem)
	}
}

// takenBy says who has one of these ports, by what the kernel knows, or else what err says.
func takenBy(err error, protos []string, ports ...netip.AddrPort) string {
	for _, at := range ports {
		for _, proto := range protos {
			uid, found, lookErr := sockdiag.Holder(proto, at)
			switch {
			case lookErr != nil || !found:
			case uid == os.Getuid():
				return at.String() + " is in use by another of your programs"
			default:
				return at.String() + " is in use by a program of user " + strconv.Itoa(uid)
			}
		}
	}
	return err.Error()
}

func (d *daemon) closeNames() error {
	d.namesMu.Lock()
	defer d.namesMu.Unlock()
	if d.names == nil {
		return nil
	}
	return d.names.Close()
}

// namesState is where names are answered, or why they are not.
func (d *daemon) namesState() (at, problem string) {
	d.namesMu.Lock()
	defer d.namesMu.Unlock()
	if d.names != nil {
		at = d.names.Addr().String()
	}
	return at, d.namesProblem
}

// addressOf is where on this host the VM with exactly this name is. The name of
// guests' gateway is known here too, as the address that answers, which differs
// from user to user: by it the doctor sees who answers.
func (d *daemon) addressOf(ctx context.Context, name string) (netip.Addr, bool, error) {
	if name == vm.GatewayName {
		return vm.NamesAddress(os.Getuid()), true, nil
	}
	all, err := d.vms.List(ctx, vm.Filter{})
	for _, v := range all {
		if v.Name == name {
			return vm.Loopback(os.Getuid(), v.Index), true, nil
		}
	}
	return netip.Addr{}, false, err
}

// keepKnown brings the hosts that SSH clients know in line with the VMs.
func (d *daemon) keepKnown(ctx context.Context, known *sshkeys.KnownHosts) error {
	all, err := d.vms.List(ctx, vm.Filter{})
	if err != nil {
		return err
	}
	byID := make(map[string]string, len(all))
	for _, v := range all {
		byID[v.ID] = v.Name
	}
	return known.Keep(byID)
}
