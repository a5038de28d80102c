package daemon

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/sqlite"
	"github.com/bangervm/banger/internal/vm"
)

// TestCacheFollowsEachChange compares what is remembered with what is stored.
func TestCacheFollowsEachChange(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	store := &cachedVMs{Store: db.VMs(), names: &vmNames{}}
	names := func() string {
		t.Helper()
		all, err := store.List(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, v := range all {
			got += v.Name + ":" + string(v.State) + " "
		}
		return got
	}
	sample := vm.VM{ID: "00000000000000aa", Name: "a", VCPU: 1, MemoryBytes: 1 << 30, DiskBytes: 1 << 30, State: vm.Stopped}
	steps := []struct {
		change func() error
		want   string
	}{
		{func() error { return nil }, ""},
		{func() error { return store.Insert(t.Context(), sample) }, "a:stopped "},
		{func() error {
			_, err := store.Update(t.Context(), sample.ID, func(v *vm.VM) error { v.State = vm.Running; return nil })
			return err
		}, "a:running "},
		{func() error { return store.Delete(t.Context(), sample.ID) }, ""},
	}
	for i, step := range steps {
		if err := step.change(); err != nil {
			t.Fatal(i, err)
		}
		for range 2 {
			if got := names(); got != step.want {
				t.Errorf("step %d: %q, want %q", i, got, step.want)
			}
		}
	}
}
