package daemon

import (
	"context"
	"net/netip"
	"os"

	"github.com/bangervm/banger/internal/names"
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

// listenForNames is called with namesMu held. That it cannot listen ends
// nothing: it is logged, and shown.
func (d *daemon) listenForNames(ctx context.Context, port int) {
	if port == 0 {
		return
	}
	addr := netip.AddrPortFrom(vm.NamesAddress(os.Getuid()), uint16(port)) // config has checked the port
	server, err := names.Listen(ctx, addr, d.addressOf, d.log)
	if err != nil {
		d.namesProblem = err.Error()
		d.log.Warn("names of VMs are not answered", "address", addr, "error", err)
		return
	}
	d.names = server
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
