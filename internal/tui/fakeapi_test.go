package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// fakeAPI is a daemon that does everything at once, and remembers what it was asked.
type fakeAPI struct {
	noPorts bool
	ports   []int // nil: one
	images  []api.Image
	kernels []api.Kernel
	portsOf []string // the VMs whose ports were asked for
	API              // what a test must not ask is nil, and panics

	mu     sync.Mutex
	asked  []string
	logs   string
	egress string
	refuse error
	ended  error // how operations end
	made   api.CreateVM
	// sessions are those of each VM that had ended.
	sessions []api.Session
}

func (f *fakeAPI) note(words ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, strings.Join(words, " "))
}

func (f *fakeAPI) StartVM(_ context.Context, name string, _ api.StartVM) (api.Operation, error) {
	f.note("start", name)
	return api.Operation{ID: "op"}, f.refuse
}

func (f *fakeAPI) StopVM(_ context.Context, name string, _ api.StopVM) (api.Operation, error) {
	f.note("stop", name)
	return api.Operation{ID: "op"}, f.refuse
}

func (f *fakeAPI) DeleteVM(_ context.Context, name string, req api.DeleteVM) (api.Operation, error) {
	words := []string{"delete", name}
	if req.Force {
		words = append(words, "force")
	}
	if req.DiscardWork {
		words = append(words, "discard")
	}
	f.note(words...)
	return api.Operation{ID: "op"}, f.refuse
}

func (f *fakeAPI) VMPorts(_ context.Context, id string) ([]api.Port, error) {
	f.portsOf = append(f.portsOf, id)
	if f.noPorts {
		return nil, nil
	}
	var ports []api.Port
	for _, n := range f.open() {
		ports = append(ports, api.Port{Proto: "tcp", Address: "127.0.0.2", Port: n, GuestPort: n, Endpoint: fmt.Sprintf("127.0.0.2:%d", n)})
	}
	return ports, nil
}

func (f *fakeAPI) open() []int {
	if f.ports == nil {
		return []int{8080}
	}
	return f.ports
}

func (f *fakeAPI) GetVM(_ context.Context, id string) (api.VM, error) {
	f.note("look", id)
	return api.VM{}, nil
}

func (f *fakeAPI) ListImages(context.Context) ([]api.Image, error)   { return f.images, nil }
func (f *fakeAPI) ListKernels(context.Context) ([]api.Kernel, error) { return f.kernels, nil }

func (f *fakeAPI) VMLogs(context.Context, string, client.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f.logs)), f.refuse
}

func (f *fakeAPI) VMEgressLog(context.Context, string, client.LogOptions) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f.egress)), f.refuse
}

func (f *fakeAPI) AddVMEgress(_ context.Context, name string, req api.AddEgress) (api.Egress, error) {
	words := []string{"add", name, strings.Join(req.Rules, ";")}
	if req.ForSeconds > 0 {
		words = append(words, "for", number(int64(req.ForSeconds)))
	}
	if req.Always {
		words = append(words, "always")
	}
	f.note(words...)
	return api.Egress{}, nil
}

func (f *fakeAPI) PullImage(_ context.Context, req api.PullImage) (api.Operation, error) {
	words := []string{"pull", req.Ref}
	if req.Name != "" {
		words = append(words, "as", req.Name)
	}
	if req.Replace {
		words = append(words, "replace")
	}
	f.note(words...)
	return api.Operation{ID: "op", Kind: "image.pull", Subject: req.Ref, State: api.OperationRunning}, f.refuse
}

func (f *fakeAPI) PullKernel(_ context.Context, req api.PullKernel) (api.Operation, error) {
	f.note("pull kernel", req.Name)
	return api.Operation{ID: "op"}, f.refuse
}

func (f *fakeAPI) CancelOperation(_ context.Context, id string) (api.Operation, error) {
	f.note("cancel", id)
	return api.Operation{}, f.refuse
}

func (f *fakeAPI) CreateVM(_ context.Context, req api.CreateVM) (api.Operation, error) {
	f.made = req
	f.note("create", *req.Name)
	return api.Operation{ID: "op"}, f.refuse
}

func (f *fakeAPI) Wait(context.Context, string, func(api.Operation)) (api.Operation, error) {
	return api.Operation{Result: json.RawMessage(`{"id":"n","name":"box"}`)}, f.ended
}

func (f *fakeAPI) ListSessions(context.Context, string) ([]api.Session, error) {
	return f.sessions, nil
}

func (f *fakeAPI) StopSession(_ context.Context, vm, name string, _ api.StopSession) (api.Session, error) {
	f.note("stop session", vm, name)
	return api.Session{}, nil
}

func (f *fakeAPI) RemoveSession(_ context.Context, vm, name string) error {
	f.note("delete session", vm, name)
	return nil
}

// fakeTerminal remembers who got it.
type fakeTerminal struct{ given []string }

func (t *fakeTerminal) Attach(vm, session string) tea.ExecCommand {
	t.given = append(t.given, "attach "+vm+" "+session)
	return nil
}

func (t *fakeTerminal) Shell(vm string) tea.ExecCommand {
	t.given = append(t.given, "shell "+vm)
	return nil
}

func (t *fakeTerminal) Command(words []string) tea.ExecCommand {
	t.given = append(t.given, "command "+strings.Join(words, "|"))
	return nil
}

func (t *fakeTerminal) Suspend() tea.ExecCommand {
	t.given = append(t.given, "suspend")
	return nil
}

var errRefused = errors.New("refused")
