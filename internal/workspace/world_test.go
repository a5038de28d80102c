package workspace_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// world is one VM, its guest, and the host's git and disk, all made up. It
// implements every seam; trees are names, and a diff is one file for each letter.
type world struct {
	mu      sync.Mutex
	record  map[string]workspace.Workspace
	vm      vm.VM
	now     time.Time
	tree    string // the guest's work tree
	other   workspace.Elsewhere
	sendErr error
	readErr error
	reading chan string   // if set, told of each tree that was read
	goOn    chan struct{} // then, for each, awaited
	asked   []workspace.GuestRequest
	kept    string
	applied bool
	inWay   []string
	savedAs map[string]workspace.Workspace // by directory
	merged  []string
	already bool // the host's work tree has the patch

	roots    []string // of the last trim
	resolved []workspace.ResolveRequest
}

func newWorld(t *testing.T) (*world, *workspace.Service) {
	t.Helper()
	w := &world{
		record: map[string]workspace.Workspace{}, savedAs: map[string]workspace.Workspace{}, vm: vm.VM{ID: "v1", Name: "box", State: vm.Running, StartID: "s1"},
		now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
	}
	s := workspace.New(workspace.Deps{Store: w, VMs: vms{w}, Git: w, Applier: w, Guests: w, Vaults: w, Now: func() time.Time { return w.now }})
	t.Cleanup(func() { s.Close(); goleak.VerifyNone(t) })
	return w, s
}

type vms struct{ w *world }

func (v vms) Get(context.Context, string) (vm.VM, error) { return v.w.vm, nil }

func (w *world) Get(_ context.Context, id string) (workspace.Workspace, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, ok := w.record[id]
	if !ok {
		return found, fault.New(fault.NotFound, "none")
	}
	return found, nil
}

func (w *world) Put(_ context.Context, ws workspace.Workspace) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record[ws.VMID] = ws
	return nil
}

func (w *world) Update(ctx context.Context, id string, change func(*workspace.Workspace) error) (workspace.Workspace, error) {
	ws, err := w.Get(ctx, id)
	if err == nil {
		err = change(&ws)
	}
	if err == nil {
		err = w.Put(ctx, ws)
	}
	return ws, err
}

func (w *world) List(context.Context) ([]workspace.Workspace, error) { return nil, nil }

func (w *world) Delete(_ context.Context, vmID string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.record, vmID)
	return nil
}

func (w *world) Pack(_ context.Context, req workspace.PackRequest) (workspace.Parcel, error) {
	return parcel{w, req}, nil
}

func (w *world) Collect(context.Context, io.ReadWriter, workspace.CollectRequest) (workspace.Collected, error) {
	got := workspace.Collected{Tree: w.tree, Head: "guest-head", Elsewhere: w.other}
	if w.reading != nil {
		w.reading <- got.Tree
		<-w.goOn
	}
	return got, w.readErr
}

func (w *world) Diff(_ context.Context, req workspace.WriteRequest) ([]workspace.File, error) {
	var files []workspace.File
	for _, r := range strings.TrimPrefix(req.Tree, req.Base) {
		files = append(files, workspace.File{Path: string(r), Status: "added", Insertions: 2})
	}
	return files, nil
}

func (w *world) Count(_ context.Context, _, from, to string) (int, error) {
	return len(strings.TrimPrefix(to, from)), nil
}

func (w *world) Trim(_ context.Context, _ string, roots []string) error {
	w.roots = roots
	return nil
}

func (w *world) Resolve(_ context.Context, req workspace.ResolveRequest) (string, error) {
	w.resolved = append(w.resolved, req)
	return req.Revision, nil
}

func (w *world) Check(context.Context, workspace.PackRequest) error { return w.readErr }

func (w *world) Write(_ context.Context, req workspace.WriteRequest) (workspace.WriteResult, error) {
	return workspace.WriteResult{Base: req.Base, Bytes: 5}, nil
}

func (w *world) Apply(_ context.Context, req workspace.ApplyRequest) (workspace.ApplyResult, error) {
	w.applied = !req.CheckOnly && len(w.inWay) == 0 && !w.already
	return workspace.ApplyResult{Conflicts: w.inWay, Already: w.already}, nil
}

func (w *world) Workspace(_ context.Context, _ string, req workspace.GuestRequest) (io.ReadWriteCloser, error) {
	w.asked = append(w.asked, req)
	return nopStream{}, nil
}

func (w *world) Vault(_, name string) (string, error) { return "/vaults/" + name, nil }

func (w *world) Keep(_, name string) error { w.kept = name; return nil }

func (w *world) Copy(ws workspace.Workspace, toVM string) error {
	w.merged = append(w.merged, ws.Vault+" "+toVM)
	return nil
}

func (w *world) Save(ws workspace.Workspace, dir string) error {
	w.savedAs[dir] = ws
	return nil
}

func (w *world) Saved(dir string) (workspace.Workspace, bool, error) {
	ws, found := w.savedAs[dir]
	return ws, found, nil
}

func (w *world) Merge(dir, vmID, vault string) error {
	w.merged = append(w.merged, dir+" "+vmID+" "+vault)
	return nil
}

func (w *world) Export(_, id string) (string, error) { return "/exports/" + id, nil }

func (w *world) OpenExport(string, string) (io.ReadCloser, int64, error) {
	return nopStream{}, 0, nil
}

type nopStream struct{ io.ReadWriter }

func (nopStream) Close() error { return nil }

type parcel struct {
	w   *world
	req workspace.PackRequest
}

func (p parcel) Contents() workspace.Contents {
	return workspace.Contents{Source: p.req.Path, Format: "sha1", HeadCommit: "head", BaseTree: "t-", Files: 1, Bytes: 2}
}

func (p parcel) Send(context.Context, io.ReadWriter, operation.Progress) error {
	if p.w.sendErr == nil {
		p.w.tree = "t-"
	}
	return p.w.sendErr
}

func (p parcel) Close() error { return nil }

func prepare(t *testing.T, s *workspace.Service, force bool) error {
	t.Helper()
	_, err := s.Prepare(t.Context(), workspace.PrepareRequest{VM: "box", Path: "/src", Mode: workspace.Shallow, Force: force}, operation.Discard{})
	return err
}
