package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/workspace"
)

func TestEveryFieldOfAWorkspaceIsStored(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	v := sampleVM(1)
	if err := db.VMs().Insert(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 7, time.UTC)
	want := workspace.Workspace{
		VMID: v.ID, Vault: "v", Source: "/src", Path: "/root/repo", Mode: workspace.FullCopy, Format: "sha1", Branch: "refs/heads/main",
		HeadCommit: "c0", BaseTree: "t0", PreparedAt: at, ExportedTree: "t1", ExportedAt: at.Add(time.Second), AppliedTree: "t4",
		Offered: workspace.Offer{ID: "e", Tree: "t2"},
		Work: workspace.Work{
			Files: 3, Tree: "t3", Elsewhere: workspace.Elsewhere{Branches: []string{"feature"}, Stashes: []string{"."}, WorkTrees: []string{"wt"}, Unread: true},
			MeasuredAt: at.Add(time.Minute), StartID: "s", Final: true,
		},
	}
	noneZero(t, want)
	noneZero(t, want.Offered)
	noneZero(t, want.Work)
	if err := db.Workspaces().Put(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := db.Workspaces().Get(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored workspace differs (-want +got):\n%s", diff)
	}
	want.Vault = "w"
	got, err = db.Workspaces().Update(t.Context(), v.ID, func(w *workspace.Workspace) error { w.Vault = "w"; return nil })
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Update: %v (-want +got):\n%s", err, diff)
	}
	if all, err := db.Workspaces().List(t.Context()); err != nil || len(all) != 1 || all[0].Vault != "w" {
		t.Errorf("List = %v, %v", all, err)
	}
}

func TestAWorkspaceGoesWithItsVM(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	v := sampleVM(1)
	if err := db.VMs().Insert(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if err := db.Workspaces().Put(t.Context(), workspace.Workspace{VMID: v.ID}); err != nil {
		t.Fatal(err)
	}
	if err := db.VMs().Delete(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	if w, err := db.Workspaces().Get(t.Context(), v.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("Get after the VM was deleted = %v, %v; want NotFound", w, err)
	}
}

func TestChangeRefusedIsNotStored(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	v := sampleVM(1)
	if err := db.VMs().Insert(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if err := db.Workspaces().Put(t.Context(), workspace.Workspace{VMID: v.ID, Vault: "old"}); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	_, err := db.Workspaces().Update(t.Context(), v.ID, func(w *workspace.Workspace) error { w.Vault = "new"; return no })
	if got, getErr := db.Workspaces().Get(t.Context(), v.ID); !errors.Is(err, no) || getErr != nil || got.Vault != "old" {
		t.Errorf("Update = %v; stored %q, %v", err, got.Vault, getErr)
	}
}
