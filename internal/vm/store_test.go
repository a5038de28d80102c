package vm_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/sqlite"
	"github.com/bangervm/banger/internal/vm"
)

// TestStoreContract runs on the database and on the fake alike.
func TestStoreContract(t *testing.T) {
	stores := map[string]func(*testing.T) vm.Store{
		"memory": func(*testing.T) vm.Store { return &memoryStore{} },
		"sqlite": func(t *testing.T) vm.Store {
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return db.VMs()
		},
	}
	tests := map[string]func(*testing.T, vm.Store){
		"lookup": testLookup, "names are unique": testUnique, "indexes are unique": testUniqueIndex, "update": testUpdate,
		"delete": testDelete, "concurrent inserts": testConcurrentInserts, "order": testOrder,
	}
	for storeName, open := range stores {
		for name, test := range tests {
			t.Run(storeName+"/"+name, func(t *testing.T) { test(t, open(t)) })
		}
	}
}

// record makes a VM whose index is its id's last 16 bits, and more.
func record(id, name string) vm.VM {
	index, _ := strconv.ParseUint(id[len(id)-4:], 16, 16)
	return vm.VM{ID: id, Name: name, VCPU: 1, MemoryBytes: gib, DiskBytes: gib, State: vm.Stopped, Index: vm.MinIndex + int(index)}
}

func insert(t *testing.T, store vm.Store, vms ...vm.VM) {
	t.Helper()
	for _, v := range vms {
		if err := store.Insert(t.Context(), v); err != nil {
			t.Fatalf("Insert %s: %v", v.Name, err)
		}
	}
}

func testLookup(t *testing.T, store vm.Store) {
	insert(t, store, record("aa00000000000001", "red"), record("aa00000000000002", "blue"), record("ff00000000000003", "aa"))
	tests := []struct {
		ref   string
		limit int
		want  []string
	}{
		{"red", 5, []string{"red"}},
		{"aa0", 5, []string{"red", "blue"}},
		{"aa", 5, []string{"aa", "red", "blue"}},
		{"aa", 1, []string{"aa"}},
		{"ff00000000000003", 5, []string{"aa"}},
		{"re", 5, nil},
		{"aa*", 5, nil},
		{"%", 5, nil},
		{"'", 5, nil},
	}
	for _, tt := range tests {
		found, err := store.Lookup(t.Context(), tt.ref, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, v := range found {
			names = append(names, v.Name)
		}
		if diff := cmp.Diff(tt.want, names); diff != "" {
			t.Errorf("Lookup(%q, %d) (-want +got):\n%s", tt.ref, tt.limit, diff)
		}
	}
}

func testUnique(t *testing.T, store vm.Store) {
	insert(t, store, record("a000000000000001", "red"), record("a000000000000002", "blue"))
	if err := store.Insert(t.Context(), record("a000000000000003", "red")); !errors.Is(err, fault.Conflict) {
		t.Errorf("Insert of a taken name = %v", err)
	}
	_, err := store.Update(t.Context(), "a000000000000002", func(v *vm.VM) error { v.Name = "red"; return nil })
	if !errors.Is(err, fault.Conflict) {
		t.Errorf("Update to a taken name = %v", err)
	}
	found, err := store.Lookup(t.Context(), "a000000000000002", 1)
	if err != nil || len(found) != 1 || found[0].Name != "blue" {
		t.Errorf("after the refusal: %+v, %v", found, err)
	}
}

func testUniqueIndex(t *testing.T, store vm.Store) {
	insert(t, store, record("a000000000000001", "red"), record("a000000000000002", "blue"))
	err := store.Insert(t.Context(), record("b000000000000002", "green"))
	if !errors.Is(err, vm.ErrIndexTaken) || !errors.Is(err, fault.Conflict) {
		t.Errorf("Insert of a taken index = %v", err)
	}
	err = store.Insert(t.Context(), record("b000000000000003", "red"))
	if errors.Is(err, vm.ErrIndexTaken) || !errors.Is(err, fault.Conflict) {
		t.Errorf("Insert of a taken name = %v", err)
	}
}

func testUpdate(t *testing.T, store vm.Store) {
	insert(t, store, record("a000000000000001", "red"))
	boom := errors.New("boom")
	if _, err := store.Update(t.Context(), "a000000000000001", func(v *vm.VM) error { v.Name = "x"; return boom }); !errors.Is(err, boom) {
		t.Errorf("Update = %v", err)
	}
	if _, err := store.Update(t.Context(), "none", func(*vm.VM) error { return nil }); !errors.Is(err, fault.NotFound) {
		t.Errorf("Update of nothing = %v", err)
	}
	var all sync.WaitGroup
	for range 20 { // each is one transaction: none is lost
		all.Go(func() {
			if _, err := store.Update(t.Context(), "a000000000000001", func(v *vm.VM) error { v.VCPU++; return nil }); err != nil {
				t.Errorf("Update: %v", err)
			}
		})
	}
	all.Wait()
	found, err := store.Lookup(t.Context(), "red", 1)
	if err != nil || len(found) != 1 || found[0].VCPU != 21 {
		t.Errorf("after 20 updates: %+v, %v", found, err)
	}
}

func testDelete(t *testing.T, store vm.Store) {
	insert(t, store, record("a000000000000001", "red"))
	for range 2 {
		if err := store.Delete(t.Context(), "a000000000000001"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if found, err := store.Lookup(t.Context(), "red", 1); err != nil || len(found) != 0 {
		t.Errorf("after Delete: %+v, %v", found, err)
	}
}

func testConcurrentInserts(t *testing.T, store vm.Store) {
	var all sync.WaitGroup
	results := make(chan error, 10)
	for n := range 10 {
		all.Go(func() {
			results <- store.Insert(context.WithoutCancel(t.Context()), record(fmt.Sprintf("%016x", n), "red"))
		})
	}
	all.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, fault.Conflict) {
			t.Errorf("Insert = %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d inserts of one name succeeded", won)
	}
}

func testOrder(t *testing.T, store vm.Store) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n, name := range []string{"third", "first", "second"} {
		v := record(fmt.Sprintf("%016x", n), name)
		v.CreatedAt = at.Add(time.Duration(map[string]int{"first": 1, "second": 2, "third": 3}[name]))
		insert(t, store, v)
	}
	vms, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range vms {
		names = append(names, v.Name)
	}
	if diff := cmp.Diff([]string{"first", "second", "third"}, names); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}
