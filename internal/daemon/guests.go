package daemon

import (
	"cmp"
	"context"
	"io"
	"net"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/guest"
	"github.com/bangervm/banger/internal/guestport"
	"github.com/bangervm/banger/internal/monitors"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmdir"
	"github.com/bangervm/banger/internal/vmlog"
)

// guests implements server.Guests and vm.PortWaiter.
type guests struct {
	dirs     statedir.Dirs
	folders  *vmdir.VMs
	monitors *monitors.Launcher
	key      func(context.Context) string // the user's own private key, or empty
}

func (d *daemon) guests() guests {
	return guests{dirs: d.dirs, folders: d.folders, monitors: d.launcher, key: d.set.sshKey}
}

func (g guests) client(vmID string) (guest.Client, error) {
	id, err := g.folders.Identity(vmID)
	return guest.Client{VM: vmID, Socket: g.dirs.VM(vmID).VsockSocket(), Token: id.Token}, err
}

// Health implements server.Guests.
func (g guests) Health(ctx context.Context, vmID string) (agentrpc.Health, error) {
	client, err := g.client(vmID)
	if err != nil {
		return agentrpc.Health{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, guest.AnswerTimeout)
	defer cancel()
	return client.Health(ctx)
}

// Processes implements server.Guests.
func (g guests) Processes(ctx context.Context, vmID string) (agentrpc.Processes, error) {
	client, err := g.client(vmID)
	if err != nil {
		return agentrpc.Processes{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, guest.AnswerTimeout)
	defer cancel()
	return client.Processes(ctx)
}

// Exec implements server.Guests.
func (g guests) Exec(ctx context.Context, vmID string, req agentrpc.ExecRequest) (net.Conn, error) {
	client, err := g.client(vmID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, guest.AnswerTimeout)
	defer cancel()
	return client.Exec(ctx, req)
}

// Dial implements server.Guests.
func (g guests) Dial(ctx context.Context, vmID string, port uint32) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, guest.AnswerTimeout)
	defer cancel()
	return guest.Client{VM: vmID, Socket: g.dirs.VM(vmID).VsockSocket()}.Dial(ctx, port)
}

// Channel implements server.Guests.
func (g guests) Channel(_ context.Context, vmID string) (api.Channel, error) {
	client, err := g.client(vmID)
	return api.Channel{Socket: client.Socket, Token: client.Token}, err
}

// Answers implements server.Guests.
func (g guests) Answers(ctx context.Context, vmID string) error { return g.monitors.Answers(ctx, vmID) }

// SSH implements server.Guests.
func (g guests) SSH(ctx context.Context, vmID string) (api.SSHAccess, error) {
	id, err := g.folders.Identity(vmID)
	return api.SSHAccess{
		HostKey: id.HostPublicKey, IdentityFile: cmp.Or(g.key(ctx), g.dirs.ClientKey()),
		KnownHosts: g.dirs.KnownHosts(), HostAlias: vmID,
	}, err
}

// WaitPort implements vm.PortWaiter.
func (g guests) WaitPort(ctx context.Context, vmID string, port int) error {
	id, err := g.folders.Identity(vmID)
	if err != nil {
		return err
	}
	return guestport.Wait(ctx, guestport.Guest{
		Dial:      func(ctx context.Context) (net.Conn, error) { return g.Dial(ctx, vmID, agentrpc.SSHPort) },
		ClientKey: g.dirs.ClientKey(), HostKey: id.HostPublicKey,
	}, port)
}

// consoles implements server.Consoles.
type consoles struct{ dirs statedir.Dirs }

func (c consoles) Console(ctx context.Context, req server.LogRequest) (io.ReadCloser, error) {
	return vmlog.Open(ctx, c.dirs.VM(req.VMID), vmlog.Options{Tail: req.Tail, Follow: req.Follow, Alive: req.Alive})
}

func (c consoles) EgressLog(ctx context.Context, req server.LogRequest) (io.ReadCloser, error) {
	return vmlog.OpenEgress(ctx, c.dirs.VM(req.VMID), vmlog.Options{Tail: req.Tail, Follow: req.Follow, Alive: req.Alive})
}
