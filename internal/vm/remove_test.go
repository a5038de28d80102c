package vm_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
)

// work is a vm.Workspaces that tells the same of every VM.
type work struct {
	unsaved string
	cannot  error
	kept    []string
	// unsavedStopped is told of a VM that does not run.
	unsavedStopped string
	stopping       []vm.State
	ending         int // stops without asking the guest

	copied     snapshot.Work
	saved      []string // names of VMs
	loaded     []string // ids of VMs
	loadedDir  bool
	cannotLoad error
	copies     []string
}

func (w *work) Unsaved(_ context.Context, v vm.VM, keep []string) (string, error) {
	w.kept = keep
	if w.unsavedStopped != "" && !v.State.Alive() {
		return w.unsavedStopped, nil
	}
	return w.unsaved, w.cannot
}

func (w *work) Save(_ context.Context, v vm.VM, dir string) (string, snapshot.Work, error) {
	w.saved = append(w.saved, v.Name)
	if w.copied == snapshot.NoWorkspace {
		return "", "", nil
	}
	return "/root/repo", w.copied, os.Mkdir(dir, 0o700)
}

func (w *work) Load(_ context.Context, vmID, dir string) error {
	w.loaded = append(w.loaded, vmID)
	_, err := os.Stat(dir)
	w.loadedDir = err == nil
	return w.cannotLoad
}

func (w *work) Copy(_ context.Context, v vm.VM, to string) error {
	w.copies = append(w.copies, v.Name+" "+to)
	return nil
}

func (w *work) Stopping(_ context.Context, v vm.VM, gently bool) {
	if gently {
		w.stopping = append(w.stopping, v.State)
	} else {
		w.ending++
	}
}

// What a delete needs, by the state of the VM and what is known of its work: each
// flag allows one thing, and never the other.
func TestDeleteNeedsEachPermission(t *testing.T) {
	states := map[string]struct {
		bring        func(h *harness)
		alive        bool
		first, force string // in the hint
	}{
		"running": {func(*harness) {}, true, "", "force, "},
		"paused": {func(h *harness) {
			if _, err := h.svc.Pause(t.Context(), "web"); err != nil {
				t.Fatal(err)
			}
		}, true, "vm resume web, then ", "force, "},
		"stopped": {func(h *harness) {
			if _, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil {
				t.Fatal(err)
			}
		}, false, "vm start web, then ", ""},
		"failed": {func(h *harness) {
			h.machine().exit(vm.ReasonGuestFailed, true)
			h.eventually("web", func(v vm.VM) bool { return v.State == vm.Failed })
		}, false, "vm start web, then ", ""},
	}
	works := map[string]*work{
		"no work":       {},
		"work":          {unsaved: "has unexported work in /root/repo: changes in 3 files"},
		"unknown":       {unsaved: "may have unexported work in /root/repo: it was not checked"},
		"cannot answer": {cannot: fault.New(fault.Unavailable, "the guest does not answer")},
	}
	for state, st := range states {
		for kind, w := range works {
			for _, how := range []vm.Removal{{}, {Force: true}, {DiscardWork: true}, {Force: true, DiscardWork: true}} {
				t.Run(fmt.Sprintf("%s %s %+v", state, kind, how), func(t *testing.T) {
					h := newHarness(t)
					h.deps.Workspaces = w
					h.restartDaemon(func() {})
					h.create("web", true)
					st.bring(h)
					err := h.svc.Delete(t.Context(), "web", how, quiet)
					lost := (w.unsaved != "" || w.cannot != nil) && !how.DiscardWork
					switch {
					case lost:
						wantFault(t, err, fault.Conflict, "web "+cmp.Or(w.unsaved, "may have unexported work"))
						want := st.first + "workspace export web, or vm delete web (" + st.force + "discard_work) to discard it"
						if hint := fault.HintOf(err).String(); hint != want {
							t.Errorf("hint %q, want %q", hint, want)
						}
					case st.alive && !how.Force:
						wantFault(t, err, fault.Conflict, "web is "+state)
					case err != nil:
						t.Fatal(err)
					default:
						h.nothingLeft()
						return
					}
					if h.disks.count() != 1 || h.get("web").Provisional || h.get("web").State.Alive() != st.alive {
						t.Error("something was done nevertheless")
					}
				})
			}
		}
	}
}
