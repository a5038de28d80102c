package tui

import (
	"context"
	"io"
	"iter"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/vmaction"
)

// API is what the terminal UI asks of the daemon; *client.Client has it.
type API interface {
	vmaction.API
	Ping(ctx context.Context) (api.Ping, error)
	GetVM(ctx context.Context, name string) (api.VM, error)
	CreateVM(ctx context.Context, req api.CreateVM) (api.Operation, error)
	VMPorts(ctx context.Context, name string) ([]api.Port, error)
	VMLogs(ctx context.Context, name string, opts client.LogOptions) (io.ReadCloser, error)
	VMEgressLog(ctx context.Context, name string, opts client.LogOptions) (io.ReadCloser, error)
	AddVMEgress(ctx context.Context, name string, req api.AddEgress) (api.Egress, error)
	ExportWorkspace(ctx context.Context, name string, req api.ExportWorkspace) (api.Operation, error)
	ReadExport(ctx context.Context, name string, e api.Export) (io.ReadCloser, error)
	ListSessions(ctx context.Context, vm string) ([]api.Session, error)
	StopSession(ctx context.Context, vm, name string, req api.StopSession) (api.Session, error)
	RemoveSession(ctx context.Context, vm, name string) error
	ListImages(ctx context.Context) ([]api.Image, error)
	PullImage(ctx context.Context, req api.PullImage) (api.Operation, error)
	DeleteImage(ctx context.Context, name string) error
	ListKernels(ctx context.Context) ([]api.Kernel, error)
	PullKernel(ctx context.Context, req api.PullKernel) (api.Operation, error)
	DeleteKernel(ctx context.Context, name string) (api.DeletedKernel, error)
	CancelOperation(ctx context.Context, id string) (api.Operation, error)
	Wait(ctx context.Context, id string, onUpdate func(api.Operation)) (api.Operation, error)
}

// Terminal makes the programs that take over the terminal until they end.
type Terminal interface {
	Attach(vm, session string) tea.ExecCommand
	Shell(vm string) tea.ExecCommand
	// Command is a command line of banger, given without the program's name.
	Command(words []string) tea.ExecCommand
	// Suspend is no program, but the user's shell, until it brings banger back.
	Suspend() tea.ExecCommand
}

// Options are what a terminal UI is made of.
type Options struct {
	API API
	// Events yields events as client.Client.Events does, and calls lost when the
	// connection is lost.
	Events   func(ctx context.Context, lost func(error)) iter.Seq2[api.Event, error]
	Terminal Terminal
	Bindings []Binding
	Defaults Defaults
	Commands []string // of banger, as they are typed behind it
	Now      func() time.Time
	Dir      string // where relative paths of the user begin
	Tab      string // of Tabs, to begin with; empty: the first
	Colour   bool
	ASCII    bool // the terminal's character set has nothing but ASCII
}

// Binding says which keys do an action, as bubbletea names them.
type Binding struct {
	Action string
	Keys   []string
	Doc    string
}
