package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/creation"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// world is every service behind the API, in memory. A test sets the functions
// it needs; the VMs are "web" (running) and "idle" (stopped).
type world struct {
	mu          sync.Mutex
	vms         map[string]vm.VM
	create      func(ctx context.Context, req vm.CreateRequest, p operation.Progress) (vm.VM, error)
	pull        func(ctx context.Context, req image.PullRequest, p operation.Progress) (image.Image, error)
	pause       func() error
	frozen      error          // what is wrong with the monitors
	guest       func(net.Conn) // serves one stream of a guest; nil: refuses
	asked       []string
	active      int
	images      []image.Image
	agentSocket string // of the agent channel; empty: none in reach

	workspaces *workspaces
	network    network
}

func newWorld() *world {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &world{workspaces: &workspaces{all: map[string]workspace.Workspace{}}, vms: map[string]vm.VM{
		"web":  {ID: "00000000000000aa", Name: "web", State: vm.Running, Labels: map[string]string{"tier": "front"}, CreatedAt: at, Index: 300, Egress: "packages"},
		"idle": {ID: "00000000000000bb", Name: "idle", State: vm.Stopped, CreatedAt: at.Add(time.Second)},
	}}
}

func (w *world) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, what)
}

func (w *world) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.asked...)
}

func (w *world) List(_ context.Context, f vm.Filter) ([]vm.VM, error) {
	var out []vm.VM
	for _, name := range []string{"web", "idle"} {
		match := true
		for k, v := range f.Labels {
			match = match && w.vms[name].Labels[k] == v
		}
		if match {
			out = append(out, w.vms[name])
		}
	}
	return out, nil
}

func (w *world) Get(_ context.Context, name string) (vm.VM, error) {
	for _, v := range w.vms {
		if v.Name == name || v.ID == name {
			return v, nil
		}
	}
	return vm.VM{}, fault.New(fault.NotFound, "no VM %q", name).WithHint("banger vm list")
}

func (w *world) Runtime(id string) (vm.Status, bool) {
	return vm.Status{Phase: vm.PhaseReady, MonitorPID: 42, Boots: 1}, id == w.vms["web"].ID
}

func (w *world) WaitFor(ctx context.Context, name string, until vm.Until) (vm.VM, error) {
	w.note(fmt.Sprintf("wait %s %+v", name, until))
	return w.Get(ctx, name)
}

// creations are the world's, by their own rules.
type creations struct{ *world }

func (c creations) Check(ctx context.Context, req creation.Request) error {
	return c.CheckCreate(ctx, req.VM)
}

func (c creations) Create(ctx context.Context, req creation.Request, p operation.Progress) (creation.Created, error) {
	v, err := c.world.Create(ctx, req.VM, p)
	made := creation.Created{VM: v}
	if req.Workspace != nil {
		c.note("workspace " + req.Workspace.Path)
	}
	if req.Session != nil && err == nil {
		made.Session = &session.Session{Name: "agent", Command: req.Session.Command, Mode: req.Session.Mode}
	}
	return made, err
}

func (w *world) CheckCreate(_ context.Context, req vm.CreateRequest) error {
	if req.VCPU != nil && *req.VCPU <= 0 {
		return fault.New(fault.Invalid, "vcpu %d is not valid", *req.VCPU)
	}
	return nil
}

func (w *world) Create(ctx context.Context, req vm.CreateRequest, p operation.Progress) (vm.VM, error) {
	return w.create(ctx, req, p)
}

func (w *world) Start(ctx context.Context, name string, wait vm.Wait, _ operation.Progress) (vm.VM, error) {
	w.note("start " + name + " " + wait.String())
	return w.Get(ctx, name)
}

func (w *world) StartCold(ctx context.Context, name string, wait vm.Wait, _ operation.Progress) (vm.VM, error) {
	w.note("start cold " + name + " " + wait.String())
	return w.Get(ctx, name)
}

func (w *world) Suspend(ctx context.Context, name string, _ operation.Progress) (vm.VM, error) {
	w.note("suspend " + name)
	return w.Get(ctx, name)
}

func (w *world) Rescue(ctx context.Context, name string, wait vm.Wait, _ operation.Progress) (vm.VM, error) {
	w.note("rescue " + name + " " + wait.String())
	return w.Get(ctx, name)
}

func (w *world) Stop(ctx context.Context, name string, timeout time.Duration, _ operation.Progress) (vm.VM, error) {
	w.note("stop " + name + " " + timeout.String())
	return w.Get(ctx, name)
}

func (w *world) Restart(ctx context.Context, name string, timeout time.Duration, wait vm.Wait, _ operation.Progress) (vm.VM, error) {
	w.note("restart " + name + " " + timeout.String() + " " + wait.String())
	return w.Get(ctx, name)
}

func (w *world) Delete(_ context.Context, name string, how vm.Removal, _ operation.Progress) error {
	w.note(fmt.Sprintf("delete %s %+v", name, how))
	if !how.Force {
		return fault.New(fault.Conflict, "VM %s is running", name).WithHint("--force")
	}
	return nil
}

func (w *world) Commit(_ context.Context, name, imageName string, replace bool, _ operation.Progress) (image.Image, error) {
	w.note("commit " + name + " " + imageName + " " + strconv.FormatBool(replace))
	m := image.Manifest{ID: "0123456789ab", Names: []image.Name{{Name: imageName}}}
	return image.Image{Manifest: m, Name: imageName}, nil
}

func (w *world) Reset(ctx context.Context, name string, force bool, _ operation.Progress) (vm.VM, error) {
	w.note("reset " + name + " " + strconv.FormatBool(force))
	return w.Get(ctx, name)
}

func (w *world) Pause(ctx context.Context, name string) (vm.VM, error) {
	if w.pause != nil {
		return vm.VM{}, w.pause()
	}
	return w.Get(ctx, name)
}

func (w *world) Resume(ctx context.Context, name string) (vm.VM, error) { return w.Get(ctx, name) }

func (w *world) Kill(ctx context.Context, name, signal string) (vm.VM, error) {
	w.note("kill " + signal)
	return w.Get(ctx, name)
}

func (w *world) Set(ctx context.Context, name string, change vm.Change) (vm.VM, error) {
	v, err := w.Get(ctx, name)
	if change.VCPU != nil {
		v.VCPU = *change.VCPU
	}
	return v, err
}

func (w *world) Health(ctx context.Context, _ string) (agentrpc.Health, error) {
	if w.network.mute {
		<-ctx.Done()
		return agentrpc.Health{}, ctx.Err()
	}
	return agentrpc.Health{Ready: true, Init: "systemd", Uptime: 3.5, MemTotal: 99, DiskFree: 98, CPUSeconds: 97}, nil
}

func (w *world) Processes(context.Context, string) (agentrpc.Processes, error) {
	if w.network.mute {
		return agentrpc.Processes{}, fault.New(fault.NotFound, "no processes: it is of an older build")
	}
	return agentrpc.Processes{Total: 300, Processes: []agentrpc.Process{
		{Owner: agentrpc.Owner{PID: 7, Process: "node", Command: "node server.js"}, Parent: 1, UID: 1000, State: "S", CPUSeconds: 1.5, MemoryBytes: 4096},
	}}, nil
}

func (w *world) Exec(ctx context.Context, _ string, req agentrpc.ExecRequest) (net.Conn, error) {
	w.note("exec " + strings.Join(req.Command, " "))
	return w.connect(ctx)
}

func (w *world) Dial(ctx context.Context, _ string, port uint32) (net.Conn, error) {
	if port != agentrpc.SSHPort {
		return nil, fault.New(fault.Unavailable, "nothing listens on port %d", port)
	}
	return w.connect(ctx)
}

func (w *world) AttachSession(ctx context.Context, _, sessionID string, _ agentrpc.SessionAttach) (net.Conn, error) {
	w.note("attach " + sessionID)
	return w.connect(ctx)
}

// connect makes a real pair of unix sockets, for their half-close.
func (w *world) connect(ctx context.Context) (net.Conn, error) {
	if w.guest == nil {
		return nil, fault.New(fault.Unavailable, "the agent does not answer")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", l.Addr().String())
	if err != nil {
		return nil, err
	}
	inside, err := l.Accept()
	if err != nil {
		return nil, err
	}
	go w.guest(inside)
	return conn, nil
}

func (w *world) Answers(context.Context, string) error { return w.frozen }

func (w *world) Channel(context.Context, string) (api.Channel, error) {
	return api.Channel{Socket: w.agentSocket, Token: "sesame"}, nil
}

func (w *world) SSH(_ context.Context, id string) (api.SSHAccess, error) {
	return api.SSHAccess{User: "root", HostAlias: id}, nil
}

func (w *world) Console(ctx context.Context, req server.LogRequest) (io.ReadCloser, error) {
	if req.Follow {
		r, pipe := io.Pipe()
		context.AfterFunc(ctx, func() { _ = pipe.CloseWithError(ctx.Err()) })
		go func() { _, _ = pipe.Write([]byte("followed\n")) }()
		return r, nil
	}
	return io.NopCloser(strings.NewReader("booted\n")), nil
}

func (w *world) Ping(context.Context) api.Ping {
	return api.Ping{Protocol: api.Protocol, Version: "v1.2.3", VMs: len(w.vms)}
}
func (w *world) Active() int { return w.active }

// A second type for what would clash with the VMs' methods.
type (
	images  struct{ *world }
	kernels struct{ *world }
	stopper struct {
		*world
		stopped chan struct{}
	}
)

func (s stopper) Stop()                     { close(s.stopped) }
func (stopper) ImageDiskUsage(string) int64 { return 4096 }
func (stopper) VMDiskUsage(string) int64    { return 8192 }

func (stopper) HostStats(context.Context) api.HostStats { return api.HostStats{CPUs: 3} }

func (i images) Pull(ctx context.Context, req image.PullRequest, p operation.Progress) (image.Image, error) {
	return i.pull(ctx, req, p)
}
func (i images) List(context.Context) ([]image.Image, error) { return i.images, nil }
func (images) Get(_ context.Context, name string) (image.Image, error) {
	return image.Image{Manifest: image.Manifest{ID: "abc"}, Name: name}, nil
}

func (images) CheckCommit(_ context.Context, req image.CommitRequest) error {
	if req.Name == "taken" && !req.Replace {
		return fault.New(fault.Conflict, "the image name %q is taken", req.Name)
	}
	return nil
}

func (images) Save(_ context.Context, name string) (image.Saved, error) {
	if name == "unknown" {
		return nil, fault.New(fault.NotFound, "no image named %q", name)
	}
	return savedImage(name), nil
}

// savedImage is an archive that is its name. That of "torn" fails in the middle.
type savedImage string

func (s savedImage) Write(_ context.Context, w io.Writer) error {
	if _, err := io.WriteString(w, string(s)); err != nil || s != "torn" {
		return err
	}
	return io.ErrUnexpectedEOF
}
func (savedImage) Form() image.Form { return image.Form{Pulled: 2, Committed: 1} }

func (savedImage) Digest() string { return "sha256:1" }
func (savedImage) Close() error   { return nil }

func (images) Register(_ context.Context, req image.RegisterRequest, _ operation.Progress) (image.Image, error) {
	return image.Image{Manifest: image.Manifest{ID: "abc", External: &image.External{Path: req.Rootfs}}, Name: req.Name}, nil
}

func (i images) Promote(ctx context.Context, name string, _ operation.Progress) (image.Image, error) {
	return i.Get(ctx, name)
}

func (images) Verify(_ context.Context, name string, _ operation.Progress) (image.Image, error) {
	return image.Image{}, fault.New(fault.Unavailable, "image %s cannot be used", name)
}

func (i images) Repair(ctx context.Context, name string, _ operation.Progress) (image.Repaired, error) {
	m, err := i.Get(ctx, name)
	return image.Repaired{Image: m, Changed: true, LostLayers: 2, Lost: "a layer has changed"}, err
}

func (images) Tag(_ context.Context, _, more string, _ bool) (image.Image, error) {
	return image.Image{Manifest: image.Manifest{ID: "abc", OwnKernel: more == "lost"}, Name: more}, nil
}

// HasKernel has none of an image's own.
func (images) HasKernel(m image.Manifest) error {
	if m.OwnKernel {
		return fault.New(fault.Unavailable, "it has lost its kernel")
	}
	return nil
}

func (images) Usable(m image.Manifest) error {
	if m.External != nil {
		return fault.New(fault.Unavailable, "%s is missing", m.External.Path)
	}
	return nil
}

func (images) Bootable(m image.Manifest) error { return m.Bootable(runtime.GOARCH) }

func (images) Delete(context.Context, string) error {
	return fault.New(fault.Conflict, "image is used by web")
}

func (kernels) Import(_ context.Context, name, dir string, _ operation.Progress) (kernel.Manifest, error) {
	return kernel.Manifest{Name: name, Source: dir}, nil
}
func (kernels) List(context.Context) ([]kernel.Manifest, error) { return nil, nil }
func (kernels) Get(context.Context, string) (kernel.Manifest, error) {
	return kernel.Manifest{}, io.ErrUnexpectedEOF
}

func (kernels) Pull(_ context.Context, name string, _ bool, _ operation.Progress) (kernel.Manifest, error) {
	return kernel.Manifest{Name: name, Source: kernel.PullSource}, nil
}

func (images) Offers(context.Context) ([]image.Offer, []error, error) {
	return []image.Offer{{Entry: image.Entry{Name: "debian", Ref: "debian:12"}, State: image.Available}}, []error{io.ErrUnexpectedEOF}, nil
}

func (kernels) Offers(context.Context) ([]kernel.Offer, []error, error) {
	return []kernel.Offer{{Entry: kernel.Entry{Name: "k", AptPackage: "linux"}, State: kernel.Available}}, []error{io.ErrUnexpectedEOF}, nil
}
func (kernels) Remove(context.Context, string) ([]string, error) { return []string{"VM web"}, nil }

// operations keeps records in memory.
type operations struct {
	mu  sync.Mutex
	ops map[string]operation.Operation
}

func (o *operations) Save(_ context.Context, op operation.Operation) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ops[op.ID] = op
	return nil
}

func (o *operations) Get(_ context.Context, id string) (operation.Operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op, ok := o.ops[id]
	if !ok {
		return op, fault.New(fault.NotFound, "no operation %q", id)
	}
	return op, nil
}

func (o *operations) List(context.Context) ([]operation.Operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []operation.Operation
	for _, op := range o.ops {
		all = append(all, op)
	}
	return all, nil
}
func (o *operations) Prune(context.Context, int) error { return nil }

// fixture is a server on a real socket, and its client.
type fixture struct {
	*world
	client  *client.Client
	socket  string
	server  *server.Server
	stopped chan struct{}
}

func start(t *testing.T, change ...func(*server.Options)) *fixture {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	f := &fixture{world: newWorld(), stopped: make(chan struct{})}
	runner := operation.NewRunner(&operations{ops: map[string]operation.Operation{}}, nil, nil)
	opts := server.Options{
		Build:   buildinfo.Info{Version: "v1.2.3", Commit: "abc", BuiltAt: time.Unix(1700000000, 0)},
		PeerUID: func(net.Conn) (int, error) { return 0, nil },
		Services: server.Services{
			VMs: f.world, Creations: creations{f.world}, Guests: f.world, Consoles: f.world, Resolver: f.world, Workspaces: f.workspaces, Sessions: running{}, Snapshots: snapshots{f.world},
			Images: images{f.world}, Kernels: kernels{f.world}, Operations: runner, Daemon: stopper{f.world, f.stopped},
			System: system{f.world}, Host: hostFake{},
		},
	}
	for _, c := range change {
		c(&opts)
	}
	f.server = server.New(t.Context(), opts)
	f.socket = filepath.Join(t.TempDir(), "s.sock")
	l, err := statedir.ListenUnix(f.socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(l) }()
	f.client = client.New(f.socket)
	t.Cleanup(func() {
		f.client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := runner.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := f.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

// raw sends a request as no client of ours would.
func (f *fixture) raw(t *testing.T, method, path, contentType, body string) (int, string) {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
	}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://x"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}
