package web_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// hostile is what a guest, a registry or a repository may call something.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>` + "\x1b]0;x\a\u202etxt.\u200b"

// fakeAPI is a daemon with one of each thing, whose texts are hostile.
type fakeAPI struct {
	now   time.Time
	state string // of the VM
	calls []string
	err   error // what every change fails with

	created   api.CreateVM
	result    json.RawMessage // of the operation, which then has created a VM
	printed   chan string     // what is added to logs that are followed
	noWork    bool
	longest   time.Duration      // that a look at a workspace may have taken
	quiet     bool               // no session runs
	conflicts []string           // of an export; nil: they were not looked for
	short     int                // bytes that an export lacks
	more      chan api.Event     // what happens after the beginning
	attach    *client.Client     // of a daemon that has sessions
	followers atomic.Int64       // of events
	besides   []api.Event        // of what is there, too
	denials   []api.Event        // that the journal has, too
	work      string             // the state of the workspace; empty: changed
	applied   bool               // the export
	fails     map[string]error   // by the call
	ended     []api.Operation    // besides
	reason    string             // why the VM ended
	session   string             // the state of the session; empty: it runs
	flows     []api.EgressRecord // of the egress log; nil: one of each kind
}

func (f *fakeAPI) did(call string) error {
	f.calls = append(f.calls, call)
	return cmp.Or(f.fails[call], f.err)
}

func (f *fakeAPI) vm() api.VM {
	return api.VM{
		ID: "1", Name: "web", State: f.state, Image: hostile, Kernel: hostile, VCPU: 2, MemoryBytes: 1 << 30, DiskBytes: 8 << 30,
		Labels: map[string]string{"team": hostile}, ExitMessage: hostile, ExitReason: f.reason, CreatedAt: f.now.Add(-time.Hour), StartedAt: new(f.now.Add(-time.Minute)),
		Workspace: &api.Workspace{State: api.WorkspaceChanged, Files: 7}, Runtime: &api.VMRuntime{Notes: []string{hostile}, Warning: hostile},
	}
}

func (f *fakeAPI) operation() api.Operation {
	if f.result != nil {
		return api.Operation{ID: "op1", Kind: "vm.create", Subject: "web", State: api.OperationSucceeded, CreatedAt: f.now, EndedAt: &f.now, Result: f.result}
	}
	return api.Operation{
		ID: "op1", Kind: "image.pull", Subject: hostile, State: api.OperationRunning, CreatedAt: f.now,
		Stages:  []api.Stage{{Name: "fetch", State: api.StageRunning, Detail: hostile, Done: 1 << 20, Total: 4 << 20, Unit: api.UnitBytes}},
		Problem: &api.Problem{Code: "invalid", Message: hostile, Hint: hostile},
	}
}

func (f *fakeAPI) Ping(context.Context) (api.Ping, error) { return api.Ping{StartedAt: f.now}, nil }

// Events are those of one VM with a session, an image, a kernel and an operation, and
// then those of more, until the context ends.
func (f *fakeAPI) Events(ctx context.Context, opts client.EventOptions) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		f.followers.Add(1)
		defer f.followers.Add(-1)
		if slices.Equal(opts.Kinds, []string{api.EventSample, api.EventHost}) {
			f.samples(ctx, yield)
			return
		}
		there := f.present(ctx)
		if opts.Since == "0" {
			there = f.denied()
		}
		for _, ev := range there {
			if !yield(ev, nil) {
				return
			}
		}
		for !opts.Once {
			select {
			case ev := <-f.more:
				if !yield(ev, nil) {
					return
				}
			case <-ctx.Done():
				yield(api.Event{}, ctx.Err())
				return
			}
		}
	}
}

func (f *fakeAPI) samples(ctx context.Context, yield func(api.Event, error) bool) {
	for i := int64(1); ; i++ {
		if i > 3 { // others when something is printed
			select {
			case <-f.printed:
			case <-ctx.Done():
				return
			}
		}
		s := api.Stats{ID: "1", Name: "web", VCPU: 2, At: f.now.Add(time.Duration(i) * time.Second), CPUNanos: i * 1e9, MemoryBytes: 1 << 30, HostMemoryBytes: 1 << 28}
		host := api.HostStats{At: s.At, CPUs: 4, CPUNanos: i * 2e9, MemoryBytes: 8 << 30, MemoryAvailableBytes: 6 << 30, DiskBytes: 100 << 30, DiskAvailableBytes: 60 << 30}
		if !yield(event(api.EventSample, api.ActionPresent, "1", s), nil) || !yield(event(api.EventHost, api.ActionPresent, "", host), nil) {
			return
		}
	}
}

func (f *fakeAPI) present(ctx context.Context) []api.Event {
	v := f.vm()
	sessions, _ := f.ListSessions(ctx, "web")
	all := []api.Event{
		{Kind: api.EventReset},
		event(api.EventVM, api.ActionPresent, v.ID, v), event(api.EventWorkspace, api.ActionPresent, v.ID, *v.Workspace),
		event(api.EventOperation, api.ActionPresent, "op1", f.operation()),
		event(api.EventImage, api.ActionPresent, "i1", nil), event(api.EventKernel, api.ActionPresent, "", nil),
	}
	for _, s := range sessions {
		all = append(all, event(api.EventSession, api.ActionPresent, "s1", s))
	}
	return append(append(all, f.besides...), api.Event{Kind: api.EventLive})
}

// denied are events that the journal still has.
func (f *fakeAPI) denied() []api.Event {
	var all []api.Event
	for i, name := range []string{hostile, "registry.example"} {
		ev := event(api.EventEgress, api.ActionDenied, "", api.EgressRecord{Event: "deny", Protocol: "tcp", Address: "192.0.2.9", Port: 443, Name: name, Process: hostile, Rule: hostile})
		ev.ID, ev.VMID = "e-"+strconv.Itoa(i), f.vm().ID
		all = append(all, ev)
	}
	return append(all, f.denials...)
}

func event(kind, action, id string, body any) api.Event {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return api.Event{Kind: kind, Action: action, Object: id, Name: hostile, VMID: "1", Body: data}
}

func (f *fakeAPI) LookVM(_ context.Context, name string, within time.Duration) (api.VM, error) {
	if name == "none" {
		return api.VM{}, fault.New(fault.NotFound, "no VM %q", name)
	}
	f.longest = max(f.longest, within)
	v := f.vm()
	v.Workspace = f.workspace()
	return v, nil
}

func (f *fakeAPI) StartVM(_ context.Context, name string, _ api.StartVM) (api.Operation, error) {
	return f.operation(), f.did("start " + name)
}

func (f *fakeAPI) StopVM(_ context.Context, name string, _ api.StopVM) (api.Operation, error) {
	return f.operation(), f.did("stop " + name)
}

func (f *fakeAPI) RestartVM(_ context.Context, name string, _ api.RestartVM) (api.Operation, error) {
	return f.operation(), f.did("restart " + name)
}

func (f *fakeAPI) PauseVM(_ context.Context, name string) (api.VM, error) {
	return f.vm(), f.did("pause " + name)
}

func (f *fakeAPI) ResumeVM(_ context.Context, name string) (api.VM, error) {
	return f.vm(), f.did("resume " + name)
}

func (f *fakeAPI) KillVM(_ context.Context, name string, _ api.KillVM) (api.VM, error) {
	return f.vm(), f.did("kill " + name)
}

func (f *fakeAPI) ResetVM(_ context.Context, name string, discardWork bool) (api.Operation, error) {
	return f.operation(), f.did(fmt.Sprintf("reset %s discard=%v", name, discardWork))
}

func (f *fakeAPI) UpdateVM(_ context.Context, name string, req api.UpdateVM) (api.VM, error) {
	call := "update " + name
	if req.Protected != nil {
		call += fmt.Sprintf(" protected=%v", *req.Protected)
	}
	if req.Name != nil {
		call += " name=" + *req.Name
	}
	if req.VCPU != nil {
		call += fmt.Sprintf(" vcpu=%d", *req.VCPU)
	}
	if req.MemoryBytes != nil || req.DiskBytes != nil || req.Nested != nil || req.Publish != nil {
		call += " more"
	}
	return f.vm(), f.did(fmt.Sprintf("%s labels=%v env=%v unset=%v", call, req.Labels, req.Env, req.UnsetEnv))
}

func (f *fakeAPI) DeleteVM(_ context.Context, name string, req api.DeleteVM) (api.Operation, error) {
	call := "delete " + name
	if req.Force {
		call += " --force"
	}
	if req.DiscardWork {
		call += " --discard-work"
	}
	return f.operation(), f.did(call)
}

func (f *fakeAPI) VMPorts(context.Context, string) ([]api.Port, error) {
	return []api.Port{{Proto: "tcp", URL: "javascript:alert(3)", Process: hostile, PID: 7, Problem: hostile}, {Proto: "udp", Endpoint: hostile}}, nil
}

func (f *fakeAPI) ListSessions(context.Context, string) ([]api.Session, error) {
	if f.quiet {
		return nil, nil
	}
	s := api.Session{ID: "s1", Name: hostile, State: cmp.Or(f.session, api.SessionRunning), Command: []string{"sh", "-c", hostile}, LastError: hostile, CreatedAt: f.now}
	return []api.Session{s}, nil
}

func (f *fakeAPI) GetSession(ctx context.Context, _, name string) (api.Session, error) {
	if name != "agent" {
		return api.Session{}, fault.New(fault.NotFound, "no session %q", name)
	}
	all, err := f.ListSessions(ctx, "web")
	return all[0], err
}

func (f *fakeAPI) StartSession(_ context.Context, vm string, req api.StartSession) (api.Session, error) {
	return api.Session{Name: "agent", State: api.SessionRunning}, f.did("session " + vm + " " + strings.Join(req.Command, " "))
}

func (f *fakeAPI) Attach(vm, name string, opts client.AttachOptions) *client.Attachment {
	return f.attach.Attach(vm, name, opts)
}

func (f *fakeAPI) ListImages(context.Context) ([]api.Image, error) {
	return []api.Image{{Name: hostile, Digest: hostile, Kernel: hostile, Problem: hostile, CreatedAt: f.now}}, nil
}

func (f *fakeAPI) AvailableImages(context.Context) (api.AvailableImages, error) {
	return api.AvailableImages{Items: []api.AvailableImage{{Name: hostile, State: "available", Description: hostile}}, Problems: []string{hostile}}, nil
}

func (f *fakeAPI) PullImage(_ context.Context, req api.PullImage) (api.Operation, error) {
	return f.operation(), f.did("pull " + req.Ref)
}

func (f *fakeAPI) DeleteImage(_ context.Context, name string) error {
	return f.did("delete image " + name)
}

func (f *fakeAPI) ListKernels(context.Context) ([]api.Kernel, error) {
	return []api.Kernel{{Name: hostile, Version: hostile, Source: hostile}}, nil
}

func (f *fakeAPI) AvailableKernels(context.Context) (api.AvailableKernels, error) {
	return api.AvailableKernels{Items: []api.AvailableKernel{{Name: hostile, State: "available", Description: hostile}}, Problems: []string{hostile}}, nil
}

func (f *fakeAPI) PullKernel(_ context.Context, req api.PullKernel) (api.Operation, error) {
	return f.operation(), f.did("pull kernel " + req.Name)
}

func (f *fakeAPI) ListOperations(context.Context) ([]api.Operation, error) {
	ended := f.operation()
	ended.ID, ended.State, ended.EndedAt = "op3", api.OperationFailed, new(f.now)
	return append([]api.Operation{f.operation(), ended}, f.ended...), nil
}

func (f *fakeAPI) GetOperation(_ context.Context, id string) (api.Operation, error) {
	if id == "op2" {
		return f.exportOperation(), nil
	}
	return f.operation(), nil
}

func (f *fakeAPI) CancelOperation(_ context.Context, id string) (api.Operation, error) {
	return f.operation(), f.did("cancel " + id)
}

func (f *fakeAPI) Config(context.Context) (api.Config, error) {
	c := api.Config{File: hostile, Problem: &api.Problem{Code: "invalid", Message: hostile, Hint: hostile}}
	for key, value := range map[string]string{"vm.image": "debian", "vm.kernel": "", "vm.vcpu": "2", "vm.memory": "512MiB", "vm.disk": "8GiB", "network.egress": "all", "network.ports": "all", "x": hostile} {
		c.Settings = append(c.Settings, api.Setting{Key: key, Value: value, TOML: value, Env: "BANGER_X", Source: "default", Doc: hostile})
	}
	return c, nil
}

func (f *fakeAPI) Doctor(context.Context) (api.DoctorReport, error) {
	return api.DoctorReport{Status: "fail", Checks: []api.DoctorCheck{
		{Name: "fine", Status: "ok", Reason: hostile},
		{Name: "vmm", Status: "fail", Reason: hostile, Remedy: hostile},
		{Name: "kernel", Status: "warn", Reason: "none", Remedy: "kernel.list", RemedyParts: fault.Hintf("see %s", act.KernelList.Do())},
	}}, nil
}

func (f *fakeAPI) CreateVM(_ context.Context, req api.CreateVM) (api.Operation, error) {
	f.created = req
	return f.operation(), f.did("create")
}

func (f *fakeAPI) StopSession(_ context.Context, vm, name string, _ api.StopSession) (api.Session, error) {
	return api.Session{}, f.did("stop session " + vm + " " + name)
}

func (f *fakeAPI) KillSession(_ context.Context, vm, name string, req api.KillSession) (api.Session, error) {
	return api.Session{}, f.did("kill session " + vm + " " + name + " " + req.Signal)
}

func (f *fakeAPI) SendSession(_ context.Context, vm, name string, p []byte, eof bool) error {
	return f.did(fmt.Sprintf("send session %s %s %q eof=%v", vm, name, p, eof))
}

func (f *fakeAPI) RemoveSession(_ context.Context, vm, name string) error {
	return f.did("remove session " + vm + " " + name)
}
