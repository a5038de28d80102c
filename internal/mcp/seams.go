package mcp

import (
	"context"
	"io"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/guestfiles"
)

// VMs reads and changes VMs. *client.Client is one.
type VMs interface {
	ListVMs(ctx context.Context, labels map[string]string) ([]api.VM, error)
	CreateVM(ctx context.Context, req api.CreateVM) (api.Operation, error)
	StartVM(ctx context.Context, name string, req api.StartVM) (api.Operation, error)
	StopVM(ctx context.Context, name string, req api.StopVM) (api.Operation, error)
	DeleteVM(ctx context.Context, name string, req api.DeleteVM) (api.Operation, error)
}

// Operations follows what the daemon does. *client.Client is one.
type Operations interface {
	Follow(ctx context.Context, begin func(context.Context) (api.Operation, error), update func(api.Operation)) (api.Operation, error)
}

// Commands runs commands in guests. *client.Client is one.
type Commands interface {
	Exec(ctx context.Context, vm string, req api.Exec) (*client.Execution, error)
}

// Sessions are the commands that run on in guests. *client.Client is one.
type Sessions interface {
	StartSession(ctx context.Context, vm string, req api.StartSession) (api.Session, error)
	ListSessions(ctx context.Context, vm string) ([]api.Session, error)
	ReadSession(ctx context.Context, vm, name string, opts client.SessionRead) (api.SessionOutput, error)
	SendSession(ctx context.Context, vm, name string, p []byte, eof bool) error
	StopSession(ctx context.Context, vm, name string, req api.StopSession) (api.Session, error)
}

// Workspaces moves git work trees into VMs and work out of them.
// *client.Client is one.
type Workspaces interface {
	PrepareWorkspace(ctx context.Context, vm string, req api.PrepareWorkspace) (api.Operation, error)
	ExportWorkspace(ctx context.Context, vm string, req api.ExportWorkspace) (api.Operation, error)
	ReadExport(ctx context.Context, vm string, e api.Export) (io.ReadCloser, error)
	AcceptExport(ctx context.Context, vm, id string) error
}

// Network says what goes into guests and out of them. It changes nothing: what a
// VM may reach is not for what runs in it, or for its agent, to say.
// *client.Client is one.
type Network interface {
	VMPorts(ctx context.Context, name string) ([]api.Port, error)
	VMEgress(ctx context.Context, name string) (api.Egress, error)
	VMEgressLog(ctx context.Context, name string, opts client.LogOptions) (io.ReadCloser, error)
}

// Files reads and writes single files in guests, as guestfiles.Files does.
type Files interface {
	// ReadFile returns up to limit bytes from offset on, fewer only at the file's
	// end. What is not a regular file is Invalid.
	ReadFile(ctx context.Context, vm, path string, offset int64, limit int) ([]byte, guestfiles.Info, error)
	// WriteFile puts a file there whole, or changes nothing. It reports whether
	// the file is new.
	WriteFile(ctx context.Context, vm string, w guestfiles.Write) (created bool, err error)
}

// Daemon is all that the tools need. Each part is safe for concurrent use.
type Daemon struct {
	VMs        VMs
	Operations Operations
	Commands   Commands
	Sessions   Sessions
	Workspaces Workspaces
	Network    Network
	Files      Files
	Look       Look
	Images     Images
	Snapshots  Snapshots
}

// Through returns what the tools need, as the daemon behind c gives it.
func Through(c *client.Client) Daemon {
	return Daemon{VMs: c, Operations: c, Commands: c, Sessions: c, Workspaces: c, Network: c, Files: guestfiles.Files{Client: c}, Look: c, Images: c, Snapshots: c}
}
