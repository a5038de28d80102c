package workspace_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

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
		if err != nil || len(got.Notes) != notes || notes > 0 && !strings.HasPrefix(got.Notes[0], "/root/repo is no longer the workspace") {
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
