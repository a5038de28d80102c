package mcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guestfiles"
)

// fake is a daemon with one VM, "box".
type fake struct {
	t *testing.T

	mu       sync.Mutex
	created  []api.CreateVM
	started  []api.StartVM
	stopped  []api.StopVM
	deletes  []api.DeleteVM
	unsaved  string // why a delete without discard_work fails
	canceled []string
	accepted []string
	sent     []byte
	eof      bool
	starts   []api.StartSession
	prepared []api.PrepareWorkspace
	exports  []api.ExportWorkspace
	inWay    []string
	commits  []api.CommitVM
	snaps    []api.CreateSnapshot
	backs    []api.RollbackVM
	forks    []api.ForkVM
	stops    []api.StopSession

	vms    []api.VM
	files  map[string][]byte
	mode   *fs.FileMode
	patch  []byte
	torn   string // why an export ends early
	output []byte
	ended  bool

	// stages are what Follow tells before the end.
	stages [][]api.Stage
	hang   bool
	undone chan struct{}
	// guest plays a command, with the frames of both directions.
	guest func(conn net.Conn, req api.Exec)
}

func newFake(t *testing.T) *fake {
	return &fake{
		t: t, vms: []api.VM{{ID: "0123456789abcdef", Name: "box", State: "running", Image: "debian"}},
		files: map[string][]byte{}, undone: make(chan struct{}),
	}
}

func (f *fake) daemon() Daemon {
	return Daemon{VMs: f, Operations: f, Commands: f, Sessions: f, Workspaces: f, Network: f, Files: f, Look: f, Images: f, Snapshots: f}
}

func (f *fake) find(name string) error {
	for _, v := range f.vms {
		if v.Name == name {
			return nil
		}
	}
	return fault.New(fault.NotFound, "no VM named %q", name).Try(act.VMList.Do())
}

func operation(kind string, result any) api.Operation {
	data, _ := json.Marshal(result)
	now := time.Unix(1, 0)
	return api.Operation{ID: kind, Kind: kind, Subject: "box", State: "succeeded", Result: data, EndedAt: &now}
}

func (f *fake) ListVMs(_ context.Context, _ map[string]string) ([]api.VM, error) { return f.vms, nil }

func (f *fake) CreateVM(_ context.Context, req api.CreateVM) (api.Operation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, req)
	return api.Operation{ID: "vm.create", Kind: "vm.create", State: "running"}, nil
}

func (f *fake) StartVM(_ context.Context, name string, req api.StartVM) (api.Operation, error) {
	f.started = append(f.started, req)
	return api.Operation{ID: "vm.start"}, f.find(name)
}

func (f *fake) StopVM(_ context.Context, name string, req api.StopVM) (api.Operation, error) {
	f.stopped = append(f.stopped, req)
	return api.Operation{ID: "vm.stop"}, f.find(name)
}

func (f *fake) DeleteVM(_ context.Context, name string, req api.DeleteVM) (api.Operation, error) {
	if err := f.find(name); err != nil {
		return api.Operation{}, err
	}
	f.deletes = append(f.deletes, req)
	if !req.Force && f.unsaved == "" {
		return api.Operation{}, fault.New(fault.Conflict, "VM box is running").Try(act.VMDelete.On("box", act.Force))
	}
	return api.Operation{ID: "vm.delete"}, nil
}

// Follow plays what an operation does. With hang, it ends only when it is cancelled.
func (f *fake) Follow(ctx context.Context, begin func(context.Context) (api.Operation, error), update func(api.Operation)) (api.Operation, error) {
	op, err := begin(ctx)
	if err != nil {
		return op, err
	}
	for _, stages := range f.stages {
		update(api.Operation{ID: op.ID, State: "running", Stages: stages})
	}
	if f.hang {
		<-ctx.Done()
		f.canceled = append(f.canceled, op.ID)
		close(f.undone)
		return op, fault.New(fault.Canceled, "cancelled")
	}
	return f.made(op.ID)
}

func (f *fake) made(id string) (api.Operation, error) {
	switch {
	case id == "vm.delete" && f.unsaved != "" && !f.deletes[len(f.deletes)-1].DiscardWork:
		return api.Operation{ID: id, State: "failed"}, fault.New(fault.Conflict, "VM box has unexported work in /root/repo: %s", f.unsaved).
			WithHint("%s, then %s, or %s to discard it", act.VMStart.On("box"), act.WorkspaceExport.On("box"), act.VMDelete.On("box", act.Force, act.DiscardWork))
	case id == "workspace.prepare":
		return operation(id, api.Workspace{Path: "/root/repo", Mode: "shallow", HeadCommit: "c0ffee", BaseTree: "7ee"}), nil
	case id == "workspace.export":
		return operation(id, api.Export{
			ID: "e1", BaseCommit: "7ee", Bytes: int64(len(f.patch)), FileCount: 1,
			Files:   []api.ExportedFile{{Path: "a", Status: "modified"}},
			Checked: f.exports[len(f.exports)-1].Check, Conflicts: f.inWay,
		}), nil
	case id == "snapshot.create":
		return operation(id, api.Snapshot{Name: "base", VM: "box", Origin: api.SnapshotAsked, SizeBytes: 4096}), nil
	case id == "vm.rollback":
		return operation(id, api.RolledBackVM{VM: f.vms[0], Snapshot: api.Snapshot{Name: "base"}, Kept: api.Snapshot{Name: "before"}}), nil
	case id == "vm.fork":
		return operation(id, api.List[api.VM]{Items: []api.VM{{Name: "try-1"}, {Name: "try-2"}}}), nil
	case id == "vm.commit":
		return operation(id, api.Image{Name: f.commits[len(f.commits)-1].Image, ID: "2"}), nil
	default:
		return operation(id, f.vms[0]), nil
	}
}

func (f *fake) Exec(_ context.Context, vm string, req api.Exec) (*client.Execution, error) {
	if err := f.find(vm); err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	go func() {
		f.guest(there, req)
		_ = there.Close()
	}()
	return client.NewExecution(vm, here), nil
}

func (f *fake) StartSession(_ context.Context, vm string, req api.StartSession) (api.Session, error) {
	f.starts = append(f.starts, req)
	return api.Session{ID: "5e55", Name: "s", State: "running", Command: req.Command}, f.find(vm)
}

func (f *fake) ListSessions(_ context.Context, vm string) ([]api.Session, error) {
	return []api.Session{{Name: "s", State: "running"}}, f.find(vm)
}

func (f *fake) GetVM(_ context.Context, name string) (api.VM, error) {
	return f.vms[0], f.find(name)
}

func (f *fake) VMLogs(_ context.Context, name string, opts client.LogOptions) (io.ReadCloser, error) {
	lines := bytes.SplitAfter(f.output, []byte("\n"))
	return io.NopCloser(bytes.NewReader(bytes.Join(lines[max(0, len(lines)-1-opts.Tail):], nil))), f.find(name)
}

func (f *fake) GetSession(_ context.Context, _, name string) (api.Session, error) {
	return api.Session{Name: name, State: "running"}, f.session(name)
}

func (f *fake) WaitSession(ctx context.Context, _, name string) (api.Session, error) {
	if err := f.session(name); err != nil || f.ended {
		code := 3
		return api.Session{Name: name, State: "exited", ExitCode: &code}, err
	}
	<-ctx.Done()
	return api.Session{}, fault.Wrap(fault.Unavailable, ctx.Err(), "gave up")
}

func (f *fake) session(name string) error {
	if name != "s" {
		return fault.New(fault.NotFound, "no session %q", name).Try(act.SessionList.On("box"))
	}
	return nil
}

func (f *fake) ReadSession(_ context.Context, _, name string, opts client.SessionRead) (api.SessionOutput, error) {
	if err := f.session(name); err != nil {
		return api.SessionOutput{}, err
	}
	from := max(0, opts.Offset)
	data := f.output[min(from, int64(len(f.output))):]
	data = data[:min(len(data), opts.Max)]
	return api.SessionOutput{
		Offset: from, Next: from + int64(len(data)), End: int64(len(f.output)), Data: data, Ended: f.ended,
	}, nil
}

func (f *fake) SendSession(_ context.Context, _, name string, p []byte, eof bool) error {
	f.sent, f.eof = append(f.sent, p...), eof
	return f.session(name)
}

func (f *fake) StopSession(_ context.Context, _, name string, req api.StopSession) (api.Session, error) {
	f.stops = append(f.stops, req)
	code := 143
	return api.Session{Name: name, State: "exited", ExitCode: &code}, f.session(name)
}

func (f *fake) PrepareWorkspace(_ context.Context, vm string, req api.PrepareWorkspace) (api.Operation, error) {
	f.prepared = append(f.prepared, req)
	return api.Operation{ID: "workspace.prepare"}, f.find(vm)
}

func (f *fake) ExportWorkspace(_ context.Context, vm string, req api.ExportWorkspace) (api.Operation, error) {
	f.exports = append(f.exports, req)
	return api.Operation{ID: "workspace.export"}, f.find(vm)
}

func (f *fake) ReadExport(context.Context, string, api.Export) (io.ReadCloser, error) {
	if f.torn != "" {
		return io.NopCloser(io.MultiReader(bytes.NewReader(f.patch), iotest.ErrReader(fault.New(fault.Unavailable, "%s", f.torn)))), nil
	}
	return io.NopCloser(bytes.NewReader(f.patch)), nil
}

func (f *fake) AcceptExport(_ context.Context, _, id string) error {
	f.accepted = append(f.accepted, id)
	return nil
}

func (f *fake) ReadFile(_ context.Context, vm, path string, offset int64, limit int) ([]byte, guestfiles.Info, error) {
	if err := f.find(vm); err != nil {
		return nil, guestfiles.Info{}, err
	}
	data, ok := f.files[path]
	if !ok {
		return nil, guestfiles.Info{}, fault.New(fault.NotFound, "%s: file does not exist", path)
	}
	info := guestfiles.Info{Size: int64(len(data)), Mode: 0o640, Modified: time.Unix(1, 0)}
	data = data[min(offset, int64(len(data))):]
	return data[:min(len(data), limit)], info, nil
}

func (f *fake) WriteFile(_ context.Context, vm string, w guestfiles.Write) (bool, error) {
	if err := f.find(vm); err != nil {
		return false, err
	}
	if strings.HasPrefix(w.Path, "/none/") && !w.Parents {
		return false, fault.Wrap(fault.NotFound, guestfiles.ErrNoDirectory, "cannot create %s", w.Path)
	}
	_, there := f.files[w.Path]
	f.files[w.Path], f.mode = w.Data, w.Mode
	return !there, nil
}

func frame(t agentrpc.FrameType, payload string) func(io.Writer) {
	return func(w io.Writer) { _ = agentrpc.WriteFrame(w, t, []byte(payload)) }
}

func exit(status uint32) func(io.Writer) {
	return func(w io.Writer) {
		_ = agentrpc.WriteFrame(w, agentrpc.FrameExit, binary.BigEndian.AppendUint32(nil, status))
	}
}

// plays is a guest that writes frames and reads none.
func plays(frames ...func(io.Writer)) func(net.Conn, api.Exec) {
	return func(conn net.Conn, _ api.Exec) {
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		for _, write := range frames {
			write(conn)
		}
	}
}

// obeys is a guest whose command ends only by the given signal. It tells the
// signals that came.
func obeys(deadly string, signals chan<- string) func(net.Conn, api.Exec) {
	return func(conn net.Conn, _ api.Exec) {
		defer close(signals)
		frame(agentrpc.FrameStdout, "working\n")(conn)
		for {
			kind, payload, err := agentrpc.ReadFrame(conn, nil)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
					signals <- err.Error()
				}
				return
			}
			if kind != agentrpc.FrameSignal {
				continue
			}
			signals <- string(payload)
			if string(payload) == deadly {
				exit(128 + 9)(conn)
				return
			}
		}
	}
}

// typed is how a test has acts as command lines.
func typed(a act.Act) string { return "banger " + a.String() }
