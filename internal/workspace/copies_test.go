package workspace_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// stopped is a workspace of a VM that was stopped after a last look, which found this many
// files changed.
func stopped(w *world, files int) {
	w.vm.State, w.vm.ExitReason = vm.Stopped, vm.ReasonStopped
	w.record["v1"] = workspace.Workspace{
		VMID: "v1", Vault: "a", Path: "/root/repo", BaseTree: "t-", Offered: workspace.Offer{ID: "o", Tree: "t-x"},
		Work: workspace.Work{Files: files, Tree: "t-x", MeasuredAt: w.now, StartID: "s1", Final: true},
	}
}

func TestWhatIsKnownGoesWithACopy(t *testing.T) {
	for name, tt := range map[string]struct {
		files  int
		change func(*world)
		want   snapshot.Work
	}{
		"clean":                      {0, func(*world) {}, snapshot.WorkClean},
		"changed":                    {2, func(*world) {}, snapshot.WorkChanged},
		"it was killed":              {0, func(w *world) { w.vm.ExitReason = vm.ReasonKilled }, snapshot.WorkUnknown},
		"clean at a look, runs on":   {0, func(w *world) { w.vm.State = vm.Running }, snapshot.WorkUnknown},
		"changed at a look, runs on": {2, func(w *world) { w.vm.State = vm.Running }, snapshot.WorkChanged},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := newWorld(t)
			stopped(w, tt.files)
			tt.change(w)
			path, work, err := s.Save(t.Context(), w.vm, "/copy")
			if err != nil || path != "/root/repo" || work != tt.want {
				t.Errorf("%s, %s, %v", path, work, err)
			}
			if err := s.Load(t.Context(), "v2", "/copy"); err != nil {
				t.Fatal(err)
			}
			got := workspace.Know(w.record["v2"], vm.VM{ID: "v2", State: vm.Stopped})
			if got != workspace.Knowledge(tt.want) {
				t.Errorf("the copy is %s, want %s", got, tt.want)
			}
			if w.record["v2"].Offered.ID != "" {
				t.Error("the copy offers an export whose file it has not")
			}
			if err := s.Copy(t.Context(), w.vm, "v3"); err != nil {
				t.Fatal(err)
			}
			if got := workspace.Know(w.record["v3"], vm.VM{ID: "v3", State: vm.Stopped}); got != workspace.Knowledge(tt.want) {
				t.Errorf("a copy without a snapshot is %s, want %s", got, tt.want)
			}
		})
	}
}

func TestGoingBackKeepsWhatIsOutsideOfTheVM(t *testing.T) {
	w, s := newWorld(t)
	stopped(w, 2)
	if _, _, err := s.Save(t.Context(), w.vm, "/copy"); err != nil {
		t.Fatal(err)
	}
	later := w.record["v1"]
	later.ExportedTree, later.ExportedAt, later.AppliedTree = "t-y", w.now.Add(time.Hour), "t-y"
	w.record["v1"] = later
	if err := s.Load(t.Context(), "v1", "/copy"); err != nil {
		t.Fatal(err)
	}
	got := w.record["v1"]
	if got.ExportedTree != "t-y" || got.AppliedTree != "t-y" {
		t.Errorf("%+v", got)
	}
	// What was measured against the export before says nothing about the one since.
	if known := workspace.Know(got, vm.VM{ID: "v1", State: vm.Stopped}); known != workspace.Unknown {
		t.Errorf("it is %s", known)
	}
	if diff := cmp.Diff([]string{"/copy v1 a"}, w.merged); diff != "" {
		t.Error(diff)
	}
}

func TestGoingBackToBeforeTheWorkspaceForgetsIt(t *testing.T) {
	w, s := newWorld(t)
	stopped(w, 0)
	w.kept = "a"
	if err := s.Load(t.Context(), "v1", "/none"); err != nil {
		t.Fatal(err)
	}
	if _, found := w.record["v1"]; found || w.kept != "" {
		t.Errorf("the workspace is still known, and the vault %q kept", w.kept)
	}
	if path, work, err := s.Save(t.Context(), w.vm, "/copy"); path != "" || work != snapshot.NoWorkspace || err != nil {
		t.Errorf("%s, %s, %v", path, work, err)
	}
}
