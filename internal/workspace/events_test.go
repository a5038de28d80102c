package workspace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// told is a workspace.Events that notes what it hears, and whether that is stored.
type told struct {
	w   *world
	all []string
}

func (l *told) WorkspaceChanged(v vm.VM, w workspace.Workspace, what workspace.Happening) {
	stored := l.w.record[w.VMID]
	if stored.Work.Files != w.Work.Files || stored.ExportedTree != w.ExportedTree || stored.Vault != w.Vault {
		what += " too early"
	}
	l.all = append(l.all, fmt.Sprintf("%s %s %d", what, v.Name, w.Work.Files))
}

func TestEventsOfWorkspaces(t *testing.T) {
	w, _ := newWorld(t)
	l := &told{w: w}
	s := workspace.New(workspace.Deps{Store: w, VMs: vms{w}, Git: w, Applier: w, Guests: w, Vaults: w, Events: l})
	t.Cleanup(s.Close)
	if _, err := s.Prepare(t.Context(), workspace.PrepareRequest{VM: "box", Path: "/src"}, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	base := w.record["v1"].BaseTree
	for _, tree := range []string{base, base + "x", base + "x", base + "xy"} { // of looks that find what was there before nobody hears
		w.tree = tree
		if err := s.Look(t.Context(), w.vm); err != nil {
			t.Fatal(err)
		}
	}
	out, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box"}, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Accept(t.Context(), "box", out.ID); err != nil {
			t.Fatal(err)
		}
	}
	want := "prepared box 0; changed box 1; changed box 2; exported box 0"
	if got := strings.Join(l.all, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
