package vmaction_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmaction"
)

// fakeAPI notes what it was asked for.
type fakeAPI struct{ asked []string }

func (f *fakeAPI) note(what, name string, req any) {
	f.asked = append(f.asked, fmt.Sprintf("%s %s %+v", what, name, req))
}

func (f *fakeAPI) StartVM(_ context.Context, name string, req api.StartVM) (api.Operation, error) {
	f.note("start", name, req.Rescue)
	return api.Operation{ID: "op"}, nil
}

func (f *fakeAPI) StopVM(_ context.Context, name string, _ api.StopVM) (api.Operation, error) {
	f.note("stop", name, "")
	return api.Operation{ID: "op"}, nil
}

func (f *fakeAPI) RestartVM(_ context.Context, name string, _ api.RestartVM) (api.Operation, error) {
	f.note("restart", name, "")
	return api.Operation{ID: "op"}, nil
}

func (f *fakeAPI) ResetVM(_ context.Context, name string, discardWork bool) (api.Operation, error) {
	f.note("reset", name, discardWork)
	return api.Operation{ID: "op"}, nil
}

func (f *fakeAPI) PauseVM(_ context.Context, name string) (api.VM, error) {
	f.note("pause", name, "")
	return api.VM{}, nil
}

func (f *fakeAPI) ResumeVM(_ context.Context, name string) (api.VM, error) {
	f.note("resume", name, "")
	return api.VM{}, nil
}

func (f *fakeAPI) KillVM(_ context.Context, name string, _ api.KillVM) (api.VM, error) {
	f.note("kill", name, "")
	return api.VM{}, nil
}

func (f *fakeAPI) UpdateVM(_ context.Context, name string, req api.UpdateVM) (api.VM, error) {
	f.note("protected", name, *req.Protected)
	return api.VM{}, nil
}

func (f *fakeAPI) DeleteVM(_ context.Context, name string, req api.DeleteVM) (api.Operation, error) {
	f.note("delete", name, req)
	return api.Operation{ID: "op"}, nil
}

func TestEachActionAsksForItself(t *testing.T) {
	want := map[string]string{
		"start": "start id false", "resume": "resume id ", "pause": "pause id ", "stop": "stop id ", "restart": "restart id ", "kill": "kill id ",
		"reset": "reset id false", "delete": "delete id {Force:false DiscardWork:false}", "protect": "protected id true", "unprotect": "protected id false",
	}
	v := &api.VM{ID: "id", Name: "web", State: api.VMStopped}
	for _, a := range vmaction.All() {
		if !a.Runs() {
			continue
		}
		var f fakeAPI
		if _, err := a.Run(t.Context(), &f, v); err != nil {
			t.Errorf("%s: %v", a.ID, err)
		}
		if !slices.Equal(f.asked, []string{want[a.ID]}) {
			t.Errorf("%s asked for %q", a.ID, f.asked)
		}
		delete(want, a.ID)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestARefusalSaysHowItIs(t *testing.T) {
	running, stopped := &api.VM{State: api.VMRunning}, &api.VM{State: api.VMStopped, Protected: true}
	for _, c := range []struct {
		id, want string
		v        *api.VM
	}{
		{"start", "it is running", running},
		{"start", "", stopped},
		{"stop", "it is stopped", stopped},
		{"resume", "it is running", running},
		{"reset", "", running},
		{"reset", "it is starting", &api.VM{State: api.VMStarting}},
		{"delete", "", running},
		{"delete", "it is protected", stopped},
		{"protect", "it is protected already", stopped},
		{"unprotect", "it is not protected", running},
		{"rename", "", running},
	} {
		a, ok := vmaction.Find(c.id)
		if !ok {
			t.Fatalf("no action %q", c.id)
		}
		if got := a.Refusal(c.v); got != c.want {
			t.Errorf("%s of one %s: %q, want %q", c.id, c.v.State, got, c.want)
		}
	}
	if _, ok := vmaction.Find("explode"); ok {
		t.Error("there is an action that is none")
	}
}

func TestWhatIsLostIsNamed(t *testing.T) {
	busy := []api.Session{{State: api.SessionRunning}, {State: api.SessionExited}, {State: api.SessionRunning}}
	vm := func(workspace string, files int) *api.VM {
		v := &api.VM{Name: "web", State: api.VMRunning, DiskBytes: 10 << 30}
		if workspace != "" {
			v.Workspace = &api.Workspace{State: workspace, Files: files}
		}
		return v
	}
	home := vm(api.WorkspaceChanged, 3)
	home.Workspace.Path = "/root/repo"
	for _, c := range []struct {
		id       string
		v        *api.VM
		sessions []api.Session
		want     []string
		command  string
	}{
		{"stop", vm(api.WorkspaceChanged, 3), nil, nil, "banger vm stop web"},
		{"stop", vm("", 0), busy, []string{"2 running sessions"}, "banger vm stop web"},
		{"kill", vm("", 0), busy[:2], []string{"1 running session", "what the guest has not written to its disk"}, "banger vm kill web"},
		{"reset", vm(api.WorkspaceChanged, 3), busy, []string{"3 changed files in the workspace, not exported", "2 running sessions", "all changes to its system, that is outside /root, /home and volumes"}, "banger vm reset --discard-work web"},
		{"reset", home, nil, []string{"all changes to its system, that is outside /root, /home and volumes"}, "banger vm reset web"},
		{"delete", vm(api.WorkspaceUnknown, 0), busy, []string{"changes in the workspace, not counted since it was last read", "2 running sessions", "its disk, of up to 10 GiB"}, "banger vm rm --force --discard-work web"},
		{"delete", vm(api.WorkspaceClean, 0), nil, []string{"its disk, of up to 10 GiB"}, "banger vm rm --force web"},
		{"pause", vm(api.WorkspaceChanged, 3), busy, nil, "banger vm pause web"},
	} {
		a, _ := vmaction.Find(c.id)
		if got := a.Losses(c.v, c.sessions); !slices.Equal(got, c.want) {
			t.Errorf("%s loses %q, want %q", c.id, got, c.want)
		}
		if got := cmdline.Line(a.On(c.v)); got != c.command {
			t.Errorf("%s is %q, want %q", c.id, got, c.command)
		}
	}
}

// What is discarded is what its user saw.
func TestOnlyKnownWorkIsDiscarded(t *testing.T) {
	a, _ := vmaction.Find("delete")
	for want, v := range map[string]*api.VM{
		"delete id {Force:true DiscardWork:false}": {ID: "id", State: api.VMRunning},
		"delete id {Force:false DiscardWork:true}": {ID: "id", State: api.VMFailed, Workspace: &api.Workspace{State: api.WorkspaceChanged, Files: 1}},
	} {
		var f fakeAPI
		if _, err := a.Run(t.Context(), &f, v); err != nil || !slices.Equal(f.asked, []string{want}) {
			t.Errorf("asked for %q, %v, want %s", f.asked, err, want)
		}
	}
}
