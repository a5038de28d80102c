package operation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/sqlite"
)

func TestStoreContract(t *testing.T) {
	stores := map[string]func(*testing.T) operation.Store{
		"memory": func(*testing.T) operation.Store { return newMemoryStore() },
		"sqlite": func(t *testing.T) operation.Store {
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return db.Operations()
		},
	}
	for name, open := range stores {
		t.Run(name+"/round trip", func(t *testing.T) { testRoundTrip(t, open(t)) })
		t.Run(name+"/order and pruning", func(t *testing.T) { testPrune(t, open(t)) })
	}
}

func testRoundTrip(t *testing.T, store operation.Store) {
	if _, err := store.Get(t.Context(), "none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("Get of an unknown id = %v", err)
	}
	at := time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC)
	op := operation.Operation{ID: "a", Kind: "vm.create", Subject: "x", State: operation.Running, CreatedAt: at}
	if err := store.Save(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	op.State, op.Code, op.Message, op.Hint, op.EndedAt = operation.Failed, "busy", "message", fault.Hintf("hint: %s", act.VMDelete.On("web", act.Force)), at.Add(time.Hour)
	op.Result = json.RawMessage(`{"a":1}`)
	op.Stages = []operation.Stage{
		{Name: "image", State: operation.StageDone, StartedAt: at, EndedAt: at.Add(1), Done: 5, Total: 9, Unit: "bytes"},
		{Name: "start", State: operation.StageFailed, Detail: "why", StartedAt: at.Add(2), EndedAt: at.Add(3)},
	}
	if err := store.Save(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	got, err := store.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(op, got); diff != "" {
		t.Errorf("stored operation differs (-want +got):\n%s", diff)
	}
}

func testPrune(t *testing.T, store operation.Store) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for n := range 10 {
		op := operation.Operation{ID: fmt.Sprint(n), State: operation.Running, CreatedAt: at.Add(time.Duration(n))}
		if n != 0 { // the oldest still runs
			op.State, op.EndedAt = operation.Succeeded, at.Add(time.Hour)
		}
		if err := store.Save(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Prune(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	ops, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, op := range ops {
		ids = append(ids, op.ID)
	}
	if diff := cmp.Diff([]string{"9", "8", "7", "0"}, ids); diff != "" {
		t.Errorf("kept operations (-want +got):\n%s", diff)
	}
}
