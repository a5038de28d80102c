package creation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/creation"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// parts are the services, which note what they are asked. fails is who refuses.
type parts struct {
	asked  []string
	fails  string
	cancel context.CancelFunc
	state  session.State
}

func (p *parts) ask(what string) error {
	p.asked = append(p.asked, what)
	if strings.HasPrefix(what, p.fails) && p.fails != "" {
		return fault.New(fault.NotFound, "no such thing").WithHint("look")
	}
	return nil
}

func (p *parts) CheckCreate(context.Context, vm.CreateRequest) error { return p.ask("check VM") }

func (p *parts) Create(context.Context, vm.CreateRequest, operation.Progress) (vm.VM, error) {
	if p.cancel != nil {
		p.cancel()
	}
	return vm.VM{ID: "7", Name: "box"}, p.ask("create")
}

func (p *parts) Check(_ context.Context, req workspace.PrepareRequest) error {
	return p.ask("check work " + req.Path)
}

func (p *parts) Prepare(_ context.Context, req workspace.PrepareRequest, _ operation.Progress) (workspace.Prepared, error) {
	sent := workspace.Prepared{}
	sent.Path = "/root/repo"
	return sent, p.ask("prepare " + req.VM + " " + req.Path)
}

type sessions struct{ *parts }

func (s sessions) Start(_ context.Context, name string, req session.StartRequest) (session.Session, error) {
	return session.Session{Name: "agent", State: s.state, LastError: "no such program"}, s.ask("start " + name + " in " + req.Dir)
}

// stages notes the stages.
type stages struct {
	operation.Discard
	all *[]string
}

func (s stages) Stage(name string) { *s.all = append(*s.all, name) }

func full() creation.Request {
	return creation.Request{
		VM:        vm.CreateRequest{Start: true},
		Workspace: &workspace.PrepareRequest{Path: "/src"},
		Session:   &session.StartRequest{Command: []string{"true"}, Mode: session.TTY},
	}
}

func TestAVMWithWhatFollows(t *testing.T) {
	p, seen := &parts{}, []string{}
	made, err := creation.Service{VMs: p, Workspaces: p, Sessions: sessions{p}}.Create(t.Context(), full(), stages{all: &seen})
	want := []string{"check VM", "check work /src", "create", "prepare 7 /src", "start 7 in /root/repo"}
	if err != nil || made.VM.Name != "box" || made.Session == nil || made.Session.Name != "agent" || !slices.Equal(p.asked, want) {
		t.Errorf("%+v, %v: %q", made, err, p.asked)
	}
	if want := []string{"workspace", "session"}; !slices.Equal(seen, want) {
		t.Errorf("stages %q, want %q", seen, want)
	}
}

func TestAVMAlone(t *testing.T) {
	p := &parts{}
	made, err := creation.Service{VMs: p}.Create(t.Context(), creation.Request{}, operation.Discard{})
	if err != nil || made.Session != nil || !slices.Equal(p.asked, []string{"check VM", "create"}) {
		t.Errorf("%+v, %v: %q", made, err, p.asked)
	}
	req := full()
	req.Workspace, req.Session.Dir = nil, "/srv"
	if _, err := (creation.Service{VMs: p, Sessions: sessions{p}}).Create(t.Context(), req, operation.Discard{}); err != nil || p.asked[len(p.asked)-1] != "start 7 in /srv" {
		t.Errorf("%v: %q", err, p.asked)
	}
}

// What fails after the VM was made leaves it, says so, and is the last thing done.
func TestPartsThatFail(t *testing.T) {
	for fails, want := range map[string]struct{ words, last string }{
		"check VM":   {"no such thing", "check VM"},
		"check work": {"no such thing", "check work /src"},
		"create":     {"no such thing", "create"},
		"prepare":    {"VM box is running, but without its workspace: no such thing", "prepare 7 /src"},
		"start":      {"VM box is running, but without its session: no such thing", "start 7 in /root/repo"},
	} {
		p := &parts{fails: fails}
		_, err := creation.Service{VMs: p, Workspaces: p, Sessions: sessions{p}}.Create(t.Context(), full(), operation.Discard{})
		if fault.CodeOf(err) != fault.NotFound || !strings.Contains(err.Error(), want.words) || fault.HintOf(err).String() != "look" || p.asked[len(p.asked)-1] != want.last {
			t.Errorf("%s: %v: %q", fails, err, p.asked)
		}
	}
	p := &parts{state: session.Failed}
	_, err := creation.Service{VMs: p, Workspaces: p, Sessions: sessions{p}}.Create(t.Context(), full(), operation.Discard{})
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "session agent did not start: no such program") {
		t.Errorf("a session that failed: %v", err)
	}
}

func TestCanceledOnceTheVMIsThere(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := &parts{cancel: cancel}
	_, err := creation.Service{VMs: p, Workspaces: p, Sessions: sessions{p}}.Create(ctx, full(), operation.Discard{})
	if !errors.Is(err, context.Canceled) || p.asked[len(p.asked)-1] != "create" {
		t.Errorf("%v: %q", err, p.asked)
	}
}

func TestWhatCannotFollow(t *testing.T) {
	wait, err := vm.ParseWait("none")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*creation.Request){
		"stopped":    func(r *creation.Request) { r.VM.Start = false },
		"not waited": func(r *creation.Request) { r.VM.Wait = wait },
		"no command": func(r *creation.Request) { r.Session.Command = nil },
	} {
		p, req := &parts{}, full()
		change(&req)
		if err := (creation.Service{VMs: p, Workspaces: p, Sessions: sessions{p}}).Check(t.Context(), req); !errors.Is(err, fault.Invalid) || slices.Contains(p.asked, "create") {
			t.Errorf("%s: %v: %q", name, err, p.asked)
		}
	}
}
