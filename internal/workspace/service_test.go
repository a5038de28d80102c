package workspace_test

import (
	"context"
	"errors"
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
	already bool // the host's work tree has the patch

	roots    []string // of the last trim
	resolved []workspace.ResolveRequest
}

func newWorld(t *testing.T) (*world, *workspace.Service) {
	t.Helper()
	w := &world{
		record: map[string]workspace.Workspace{}, vm: vm.VM{ID: "v1", Name: "box", State: vm.Running, StartID: "s1"},
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
func (w *world) Delete(context.Context, string) error                { return nil }

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
func (w *world) Keep(_, name string) error            { w.kept = name; return nil }
func (w *world) Export(_, id string) (string, error)  { return "/exports/" + id, nil }
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

func TestWorkIsNotReplacedUnlessExported(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	if w.asked[0].Replace || w.asked[0].Path != workspace.DefaultPath {
		t.Errorf("the first prepare asked for %+v", w.asked[0])
	}
	if w.kept != w.record["v1"].Vault {
		t.Errorf("kept vault %q, and the record has %q", w.kept, w.record["v1"].Vault)
	}
	if err := prepare(t, s, false); err != nil {
		t.Errorf("nothing was done in the guest: %v", err)
	}
	if last := w.asked[len(w.asked)-1]; !last.Replace {
		t.Errorf("the second prepare asked for %+v", last)
	}
	w.tree = "t-abc"
	if err := prepare(t, s, false); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "3 files") {
		t.Errorf("over work = %v; want Conflict, with how much", err)
	}
	e, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box", Format: workspace.Patch}, operation.Discard{})
	if err != nil || e.BaseCommit != "t-" || len(e.Files) != 3 {
		t.Fatalf("export = %+v, %v", e, err)
	}
	if err := prepare(t, s, false); !errors.Is(err, fault.Conflict) {
		t.Errorf("an export that nobody has counts: %v", err)
	}
	if err := s.Accept(t.Context(), "box", "another"); err != nil {
		t.Fatal(err)
	}
	if err := prepare(t, s, false); !errors.Is(err, fault.Conflict) {
		t.Errorf("another export counts: %v", err)
	}
	if err := s.Accept(t.Context(), "box", e.ID); err != nil {
		t.Fatal(err)
	}
	if err := prepare(t, s, false); err != nil {
		t.Errorf("after the export was accepted: %v", err)
	}
	w.other = workspace.Elsewhere{Branches: []string{"side"}}
	if err := prepare(t, s, false); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "commits on side") {
		t.Errorf("over commits on another branch = %v; want Conflict", err)
	}
	w.other = workspace.Elsewhere{Branches: []string{"side"}, Stashes: []string{"."}, WorkTrees: []string{"wt"}}
	const both = "has unexported work: uncommitted changes in the work tree wt and stashed changes and commits on side"
	if err := prepare(t, s, false); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), both) {
		t.Errorf("over a linked work tree with changes = %v; want Conflict", err)
	}
	if err := prepare(t, s, true); err != nil {
		t.Errorf("with force: %v", err)
	}
}

// A VM has one workspace.
func TestTheFormerWorkspaceIsNamed(t *testing.T) {
	_, s := newWorld(t)
	for to, notes := range map[string]int{"/root/repo": 0, "/root/other": 1} {
		if err := prepare(t, s, true); err != nil {
			t.Fatal(err)
		}
		got, err := s.Prepare(t.Context(), workspace.PrepareRequest{VM: "box", Path: "/src", To: to}, operation.Discard{})
		if err != nil || len(got.Notes) != notes || notes > 0 && !strings.HasPrefix(got.Notes[0], "/root/repo is not the workspace any more") {
			t.Errorf("to %s: notes %q, %v", to, got.Notes, err)
		}
	}
}

func TestWhatFailsLeavesTheRecord(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	before := w.record["v1"]
	w.sendErr = fault.New(fault.Unavailable, "the guest's disk is full")
	if err := prepare(t, s, false); !errors.Is(err, fault.Unavailable) {
		t.Errorf("prepare = %v; want Unavailable", err)
	}
	if got := w.record["v1"]; got.Vault != before.Vault || w.kept != before.Vault {
		t.Errorf("the record has vault %q, kept is %q; want %q", got.Vault, w.kept, before.Vault)
	}
}

func TestWhatIsKnownOfWork(t *testing.T) {
	w, s := newWorld(t)
	unsaved := func() string {
		t.Helper()
		what, err := s.Unsaved(t.Context(), w.vm, nil)
		if err != nil {
			t.Fatal(err)
		}
		return what
	}
	if what := unsaved(); what != "" {
		t.Errorf("without a workspace: %q", what)
	}
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	for _, state := range []vm.State{vm.Stopped, vm.Failed, vm.Paused, vm.Starting, vm.Stopping} {
		w.vm.State = state
		if what := unsaved(); !strings.Contains(what, "was not checked") {
			t.Errorf("%s since it was looked at: %q; want unknown", state, what)
		}
	}
	w.vm.State = vm.Running
	s.Stopping(t.Context(), w.vm, true)
	w.vm.State, w.vm.ExitReason = vm.Stopped, vm.ReasonStopped
	if what := unsaved(); what != "" {
		t.Errorf("clean when it was stopped: %q", what)
	}
	for _, reason := range []string{vm.ReasonPoweroff, vm.ReasonKilled, vm.ReasonMonitorDied} { // of a stop that did not come off
		w.vm.ExitReason = reason
		if what := unsaved(); !strings.Contains(what, "was not checked") {
			t.Errorf("clean before a stop, then %s: %q; want unknown", reason, what)
		}
	}
	w.vm.State, w.readErr = vm.Running, fault.New(fault.Unavailable, "no answer")
	s.Stopping(t.Context(), w.vm, true)
	w.vm.State, w.vm.ExitReason, w.readErr = vm.Stopped, vm.ReasonForced, nil
	if what := unsaved(); !strings.Contains(what, "was not checked") {
		t.Errorf("clean before one stop, not looked at before the next: %q; want unknown", what)
	}
	for why, again := range map[string]func(){
		"ended at once":                      func() { s.Stopping(t.Context(), w.vm, false) },
		"paused, and could not be looked at": func() { w.vm.State = vm.Paused; s.Stopping(t.Context(), w.vm, true) },
	} {
		w.vm.State = vm.Running
		s.Stopping(t.Context(), w.vm, true) // does not come off
		again()
		w.vm.State, w.vm.ExitReason = vm.Stopped, vm.ReasonForced
		if what := unsaved(); !strings.Contains(what, "was not checked") {
			t.Errorf("clean before one stop, then %s: %q; want unknown", why, what)
		}
	}
	w.vm.State, w.vm.StartID = vm.Running, "s2"
	w.tree = "t-a"
	s.Stopping(t.Context(), w.vm, true)
	w.vm.State = vm.Stopped
	if what := unsaved(); what != "has unexported work in /root/repo: changes in 1 file" {
		t.Errorf("with work when it was stopped: %q", what)
	}
	w.vm.StartID = "s3"
	if what := unsaved(); !strings.Contains(what, "was not checked") {
		t.Errorf("started again since: %q; want unknown", what)
	}
	w.vm.State, w.readErr = vm.Running, fault.New(fault.Unavailable, "no answer")
	s.Stopping(t.Context(), w.vm, true)
	w.vm.State = vm.Stopped
	if what := unsaved(); !strings.Contains(what, "was not checked") {
		t.Errorf("could not be looked at: %q; want unknown", what)
	}
}

func TestWhatAResetWouldLose(t *testing.T) {
	w, s := newWorld(t)
	unsaved := func(path string) (string, error) {
		t.Helper()
		ws := w.record["v1"]
		ws.Path = path
		w.record["v1"] = ws
		return s.Unsaved(t.Context(), w.vm, []string{"/root", "/home"})
	}
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	w.tree = "t-a" // since it was looked at last
	for path, lost := range map[string]bool{"/root/repo": false, "/home/u/repo": false, "/srv/repo": true, "/rooted/repo": true} {
		if what, err := unsaved(path); err != nil || (what != "") != lost {
			t.Errorf("%s: %q, %v; want something lost %v", path, what, err, lost)
		}
	}
	w.readErr = fault.New(fault.Unavailable, "no answer")
	if _, err := unsaved("/srv/repo"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a guest that does not tell: %v; want Unavailable", err)
	}
	w.readErr = fault.New(fault.NotFound, "there is no /srv/repo in the guest")
	if what, err := unsaved("/srv/repo"); err != nil || !strings.Contains(what, "moved or removed") || workspace.Know(w.record["v1"], w.vm) != workspace.Unknown {
		t.Errorf("moved in the guest: %q, %v, %+v", what, err, w.record["v1"].Work)
	}
	w.vm.State = vm.Stopped
	if what, err := unsaved("/srv/repo"); err != nil || !strings.Contains(what, "was not checked") {
		t.Errorf("stopped by itself: %q, %v", what, err)
	}
}

// A listing tells what is so since it was asked: not what an earlier look found, nor
// one that has begun to read before.
func TestRefreshIsNoOlderThanItsAsking(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	w.tree = "t-a" // in the same instant
	if err := s.Refresh(t.Context(), w.vm); err != nil || w.record["v1"].Work.Files != 1 {
		t.Errorf("in the instant of the look before: %v, %+v", err, w.record["v1"].Work)
	}
	w.reading, w.goOn = make(chan string), make(chan struct{})
	refresh := func() <-chan error {
		done := make(chan error, 1)
		go func() { done <- s.Refresh(t.Context(), w.vm) }()
		return done
	}
	first := refresh()
	<-w.reading // it has read the tree, and has not answered yet
	w.tree = "t-ab"
	second := refresh()
	w.goOn <- struct{}{}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	<-w.reading
	w.goOn <- struct{}{}
	if err := <-second; err != nil || w.record["v1"].Work.Files != 2 {
		t.Errorf("asked after the work was done: %v, %+v", err, w.record["v1"].Work)
	}
}

func TestBases(t *testing.T) {
	w, s := newWorld(t)
	export := func(req workspace.ExportRequest) string {
		t.Helper()
		req.VM = "box"
		e, err := s.Export(t.Context(), req, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
		return e.BaseCommit
	}
	if base := export(workspace.ExportRequest{Format: workspace.Patch}); base != "guest-head" {
		t.Errorf("nothing was prepared: base %q", base)
	}
	if len(w.record) != 0 {
		t.Errorf("recorded: %v", w.record)
	}
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	for want, req := range map[string]workspace.ExportRequest{
		"t-":   {Format: workspace.Patch},
		"head": {Format: workspace.Mbox},
		"mine": {Format: workspace.Bundle, BaseCommit: "mine"},
	} {
		if base := export(req); base != want {
			t.Errorf("%+v: base %q, want %q", req, base, want)
		}
	}
	if base := export(workspace.ExportRequest{Format: workspace.Patch, Path: "/srv/other"}); base != "guest-head" {
		t.Errorf("another work tree: base %q", base)
	}
}

// An export against what was made in the guest has not all that was done there.
func TestWhatCountsAsExported(t *testing.T) {
	for base, counts := range map[string]bool{"": true, "t-": true, "head": true, "guest-commit": false} {
		w, s := newWorld(t)
		if err := prepare(t, s, false); err != nil {
			t.Fatal(err)
		}
		w.tree = "t-a"
		e, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box", Format: workspace.Patch, BaseCommit: base}, operation.Discard{})
		if err == nil {
			err = s.Accept(t.Context(), "box", e.ID)
		}
		if err != nil || w.record["v1"].Work.Any() == counts || (len(e.Notes) == 0) != counts {
			t.Errorf("against %q: %v, notes %q, work %+v; want it to count: %v", base, err, e.Notes, w.record["v1"].Work, counts)
		}
	}
}

func TestApplyCountsAsAnExport(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	w.tree, w.inWay = "t-a", []string{"a"}
	req := workspace.ExportRequest{VM: "box", Format: workspace.Patch, Apply: true}
	e, err := s.Export(t.Context(), req, operation.Discard{})
	if err != nil || e.Applied || len(e.Conflicts) != 1 || !w.record["v1"].Work.Any() {
		t.Errorf("with a conflict: %+v, %v", e, err)
	}
	w.inWay = nil
	e, err = s.Export(t.Context(), req, operation.Discard{})
	if err != nil || !e.Applied || !w.applied || w.record["v1"].Work.Any() || w.record["v1"].ExportedTree != "t-a" {
		t.Errorf("applied: %+v, %v, %+v", e, err, w.record["v1"])
	}
}

// After an apply the next export is against what the user's work tree has now.
func TestTheBaseMovesWithAnApply(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	export := func(apply bool) workspace.Export {
		t.Helper()
		e, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box", Format: workspace.Patch, Apply: apply}, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	w.tree = "t-a"
	if e := export(false); e.BaseCommit != "t-" {
		t.Errorf("before any apply the base is %q", e.BaseCommit)
	}
	w.inWay = []string{"a"}
	export(true)
	if e := export(false); e.BaseCommit != "t-" {
		t.Errorf("after one that did not apply the base is %q", e.BaseCommit)
	}
	w.inWay = nil
	export(true)
	w.tree = "t-ab"
	e := export(false)
	if e.BaseCommit != "t-a" || len(e.Files) != 1 {
		t.Errorf("after an apply: base %q, files %v", e.BaseCommit, e.Files)
	}
	if err := s.Accept(t.Context(), "box", e.ID); err != nil || w.record["v1"].Work.Any() {
		t.Errorf("an export on top of an apply does not count: %v, %+v", err, w.record["v1"].Work)
	}
	w.already = true // it was applied by hand
	e = export(true)
	if e.Applied || !e.Already || w.record["v1"].AppliedTree != "t-ab" {
		t.Errorf("what is there already: %+v, and the record has %q", e, w.record["v1"].AppliedTree)
	}
	if got, want := strings.Join(w.roots, " "), "t- t-ab t-a"; got != want {
		t.Errorf("the vault keeps %q; want %q", got, want)
	}
}

// What the user calls the base is looked for where the user works.
func TestARevisionIsLookedForInTheSource(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/elsewhere"} {
		_, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box", Format: workspace.Patch, BaseCommit: "HEAD", Path: path}, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(w.resolved) != 2 || w.resolved[0].Top != "/src" || w.resolved[1].Top != "" || w.resolved[1].Head != "guest-head" {
		t.Errorf("resolved %+v", w.resolved)
	}
}

func TestRefusals(t *testing.T) {
	w, s := newWorld(t)
	for _, to := range []string{"relative", "/", "/a/../b", "/a/", "/a\nb"} {
		_, err := s.Prepare(t.Context(), workspace.PrepareRequest{VM: "box", Path: "/src", To: to}, operation.Discard{})
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("to %q = %v; want Invalid", to, err)
		}
	}
	w.vm.State = vm.Stopped
	if err := prepare(t, s, false); !errors.Is(err, fault.Conflict) {
		t.Errorf("a stopped VM = %v; want Conflict", err)
	}
	if _, err := workspace.ParseMode("deep"); !errors.Is(err, fault.Invalid) {
		t.Errorf("mode deep = %v", err)
	}
	if _, err := workspace.ParseFormat("zip"); !errors.Is(err, fault.Invalid) {
		t.Errorf("format zip = %v", err)
	}
}
