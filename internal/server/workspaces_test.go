package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// workspaces implements server.Workspaces.
func TestCheckWorkspace(t *testing.T) {
	f := start(t)
	for mode, want := range map[string]string{"full_copy": "", "shallow": "invalid", "": "invalid", "half": "invalid"} {
		err := f.client.CheckWorkspace(t.Context(), api.PrepareWorkspace{Path: "/src/submodules", Mode: mode})
		if (err != nil) != (want != "") || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("mode %q: %v; want %q", mode, err, want)
		}
	}
}

type workspaces struct {
	mu       sync.Mutex
	all      map[string]workspace.Workspace // by VM id
	look     error
	hang     bool     // a look never ends by itself
	looks    []string // "look" or "refresh"
	accepted string
}

func (w *workspaces) Prepare(_ context.Context, req workspace.PrepareRequest, _ operation.Progress) (workspace.Prepared, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[req.VM] = workspace.Workspace{VMID: req.VM, Source: req.Path, Path: "/root/repo", Mode: req.Mode, Branch: "refs/heads/main", BaseTree: "t"}
	return workspace.Prepared{Workspace: w.all[req.VM], Files: 3, Bytes: 9, Notes: []string{"n"}}, nil
}

func (w *workspaces) Check(_ context.Context, req workspace.PrepareRequest) error {
	if req.Mode == workspace.Shallow && strings.Contains(req.Path, "submodules") {
		return fault.New(fault.Invalid, "%s has submodules", req.Path).WithHint("--mode full_copy")
	}
	return nil
}

func (w *workspaces) Export(_ context.Context, req workspace.ExportRequest, _ operation.Progress) (workspace.Export, error) {
	return workspace.Export{ID: "e", BaseCommit: "t", Format: req.Format, Files: []workspace.File{{Path: "caf\xe9", Status: "added"}}, Bytes: 5}, nil
}

func (w *workspaces) OpenExport(_ context.Context, _, id string) (io.ReadCloser, int64, error) {
	if id != "e" {
		return nil, 0, fault.New(fault.NotFound, "no export %s", id)
	}
	return io.NopCloser(strings.NewReader("patch")), 5, nil
}

func (w *workspaces) Accept(_ context.Context, _, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accepted = id
	return nil
}

func (w *workspaces) Look(ctx context.Context, _ vm.VM) error { return w.lookBy(ctx, "look") }

func (w *workspaces) Refresh(ctx context.Context, _ vm.VM) error { return w.lookBy(ctx, "refresh") }

func (w *workspaces) lookBy(ctx context.Context, how string) error {
	w.mu.Lock()
	w.looks = append(w.looks, how)
	w.mu.Unlock()
	if w.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return w.look
}

func (w *workspaces) All(context.Context) (map[string]workspace.Workspace, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all, nil
}

func (w *workspaces) Find(_ context.Context, vmID string) (workspace.Workspace, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, ok := w.all[vmID]
	return found, ok, nil
}

func ended[T any](t *testing.T, c *client.Client, op api.Operation, err error) T {
	t.Helper()
	if err == nil {
		op, err = c.Wait(t.Context(), op.ID, func(api.Operation) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(op.Result, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAWorkspaceByTheAPI(t *testing.T) {
	f := start(t)
	if _, err := f.client.GetWorkspace(t.Context(), "web"); !errors.Is(err, fault.NotFound) {
		t.Errorf("before a prepare: %v; want NotFound", err)
	}
	if _, err := f.client.PrepareWorkspace(t.Context(), "web", api.PrepareWorkspace{Path: "/src", Mode: "deep"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("mode deep: %v; want Invalid", err)
	}
	op, err := f.client.PrepareWorkspace(t.Context(), "web", api.PrepareWorkspace{Path: "/src"})
	w := ended[api.Workspace](t, f.client, op, err)
	if w.Source != "/src" || w.Mode != "shallow" || w.Branch != "main" || w.FilesSent != 3 || len(w.Notes) != 1 {
		t.Errorf("prepared %+v", w)
	}
	op, err = f.client.ExportWorkspace(t.Context(), "web", api.ExportWorkspace{Format: "mbox"})
	e := ended[api.Export](t, f.client, op, err)
	if e.Format != "mbox" || e.FileCount != 1 || e.Files[0].Path != "caf\uFFFD" || string(e.Files[0].PathBase64) != "caf\xe9" {
		t.Errorf("exported %+v", e)
	}
	body, err := f.client.ReadExport(t.Context(), "web", e)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(body); err != nil || string(text) != "patch" {
		t.Errorf("read %q, %v", text, err)
	}
	_ = body.Close()
	if err := f.client.AcceptExport(t.Context(), "web", "e"); err != nil || f.workspaces.accepted != "e" {
		t.Errorf("accept: %v, %q", err, f.workspaces.accepted)
	}
	if _, err := f.client.ReadExport(t.Context(), "web", api.Export{ID: "other"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("another export: %v; want NotFound", err)
	}
}

func TestWhatIsNotKnownIsNotClean(t *testing.T) {
	f := start(t)
	const id = "00000000000000aa"
	f.workspaces.all[id] = workspace.Workspace{VMID: id, Work: workspace.Work{MeasuredAt: time.Now()}}
	state := func() (shown, listed string) {
		t.Helper()
		w, err := f.client.GetWorkspace(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		vms, err := f.client.ListVMs(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.State, vms[0].Workspace.State
	}
	if shown, listed := state(); shown != "clean" || listed != "clean" {
		t.Errorf("looked at: %s, %s", shown, listed)
	}
	f.workspaces.look = errors.New("the guest does not answer")
	if shown, listed := state(); shown != "unknown" || listed != "unknown" {
		t.Errorf("not looked at: %s, %s", shown, listed)
	}
	f.workspaces.hang = true
	if vm, err := f.client.LookVM(t.Context(), "web", time.Second); err != nil || vm.Workspace.State != "unknown" {
		t.Errorf("a look at a guest that hangs: %v, %v", vm, err)
	}
	began := time.Now()
	if vms, err := f.client.ListVMs(t.Context(), nil); err != nil || vms[0].Workspace.State != "unknown" {
		t.Errorf("a guest that hangs: %v, %v", vms, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the list took %s", took)
	}
}

// A listing is content with what was so an instant ago. By the others people,
// and run --rm, decide what may go.
func TestOnlyAListingIsContentWithAnOlderLook(t *testing.T) {
	f := start(t)
	const id = "00000000000000aa"
	f.workspaces.all[id] = workspace.Workspace{VMID: id}
	if _, err := f.client.ListVMs(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.GetVM(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.GetWorkspace(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if vm, err := f.client.LookVM(t.Context(), "web", 0); err != nil || vm.Workspace == nil { // as it was measured
		t.Fatal(vm, err)
	}
	if want := []string{"refresh", "look", "look"}; !slices.Equal(f.workspaces.looks, want) {
		t.Errorf("the listing, the VM, the workspace: %v; want %v", f.workspaces.looks, want)
	}
}
