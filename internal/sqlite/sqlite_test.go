package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

func open(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

func sampleVM(n int) vm.VM {
	at := time.Date(2026, 11, 23, 12, 0, n, 123456789, time.UTC)
	return vm.VM{
		ID: fmt.Sprintf("%016x", n), Name: fmt.Sprintf("vm-%d", n), ImageID: "0123456789ab", Image: "debian",
		Kernel: "debian-12", VCPU: 2, MemoryBytes: 1 << 30, DiskBytes: 8 << 30, Init: vm.InitAuto,
		User: "node:node", Entrypoint: vm.RestartAlways, Env: []string{"A=1", "B=two words"}, Labels: map[string]string{"team": "red"},
		State: vm.Running, Driver: "qemu-tcg", Files: vm.FilesNone, ExitReason: "killed", ExitMessage: "why", ExitHint: fault.Hintf("see %s", act.Doctor.Do()), ResetPending: true, Nested: true, Console: true, NoConsole: true, NoHealthcheck: true, Protected: true,
		StartID: "feedfacefeedface", HostBootID: "boot", Provisional: true,
		Network: vm.NetworkNone, Index: 256 + n, Egress: "default deny\nallow example.org",
		Publish:      []vm.Publish{{Proto: "udp", HostAddress: "127.0.0.1", HostPort: 5300, GuestPort: 53}},
		Ports:        vm.PortsShared,
		BootTimeline: vm.BootTimeline{How: vm.BootCold, Driver: "qemu-tcg", Monitor: 1, VMM: 2, Connected: 3, Configured: 4, Ready: 5},
		CreatedAt:    at, StartedAt: at.Add(time.Second), StoppedAt: at.Add(time.Minute),
	}
}

// noneZero fails for a field of the struct v that the sample leaves out: nothing would
// show that it is not stored.
func noneZero(t *testing.T, v any, notStored ...string) {
	t.Helper()
	for field, value := range reflect.ValueOf(v).Fields() {
		if value.IsZero() && !slices.Contains(notStored, field.Name) {
			t.Errorf("the sample of %T has no %s", v, field.Name)
		}
	}
}

func TestEveryFieldOfAVMIsStored(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	want := sampleVM(1)
	noneZero(t, want)
	if err := db.VMs().Insert(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := db.VMs().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]vm.VM{want}, got); diff != "" {
		t.Errorf("stored VM differs (-want +got):\n%s", diff)
	}
	want.Env, want.Labels, want.Publish, want.StoppedAt, want.ResetPending = nil, nil, nil, time.Time{}, false
	if _, err := db.VMs().Update(t.Context(), want.ID, func(v *vm.VM) error { *v = want; return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err = db.VMs().List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]vm.VM{want}, got); diff != "" {
		t.Errorf("updated VM differs (-want +got):\n%s", diff)
	}
}

func TestTheDatabaseIsPrivateAndSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space?#%", "state.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.VMs().Insert(t.Context(), sampleVM(1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(name), info.Mode().Perm())
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).VMs().List(t.Context())
	if err != nil || len(got) != 1 {
		t.Errorf("after reopening: %d VMs, %v", len(got), err)
	}
}

// TestUpgrade opens a database at each earlier schema, with data in it.
func TestUpgrade(t *testing.T) {
	latest, err := latestVersion()
	if err != nil {
		t.Fatal(err)
	}
	for version := int64(1); version < latest; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			raw, err := sql.Open("sqlite", dsn(path))
			if err != nil {
				t.Fatal(err)
			}
			if err := migrateTo(t.Context(), raw, version); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(fmt.Sprintf("testdata/%05d.sql", version))
			if err != nil {
				t.Fatalf("each schema needs data: %v", err)
			}
			if _, err := raw.ExecContext(t.Context(), string(data)); err != nil {
				t.Fatal(err)
			}
			if err := raw.Close(); err != nil {
				t.Fatal(err)
			}

			db := open(t, path)
			got, err := db.VMs().List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := vm.VM{
				ID: "0000000000000007", Name: "old-vm", ImageID: "0123456789ab", Image: "debian", Kernel: "debian-12",
				VCPU: 2, MemoryBytes: 1 << 30, DiskBytes: 8 << 30, Init: vm.InitAuto, Env: []string{"A=1"},
				Labels: map[string]string{"team": "red"}, State: vm.Stopped, Driver: "qemu-tcg",
				ExitReason: "guest-poweroff", ResetPending: true, StartID: "feedfacefeedface", HostBootID: "boot",
				Network: vm.NetworkUser, Index: 257, Egress: "all", Ports: vm.PortsAll,
				CreatedAt: time.Unix(1795435200, 1).UTC(), StartedAt: time.Unix(1795435201, 0).UTC(),
			}
			if diff := cmp.Diff([]vm.VM{want}, got); diff != "" {
				t.Errorf("VM after the upgrade (-want +got):\n%s", diff)
			}
			if version == 7 { // the first with a workspace in its data
				if w, err := db.Workspaces().Get(t.Context(), want.ID); err != nil || w.Work.Files != 3 || w.Work.Tree != "t3" || w.Offered.Tree != "t2" {
					t.Errorf("workspace after the upgrade: %+v, %v", w, err)
				}
			}
			if version == 9 { // the first with all kinds of work elsewhere
				elsewhere := workspace.Elsewhere{Branches: []string{"feature"}, Stashes: []string{".", "sub"}, WorkTrees: []string{"wt"}}
				w, err := db.Workspaces().Get(t.Context(), want.ID)
				if diff := cmp.Diff(elsewhere, w.Work.Elsewhere); err != nil || diff != "" {
					t.Errorf("work elsewhere after the upgrade (-want +got):\n%s%v", diff, err)
				}
			}
			if version == 8 { // the first with operations in its data
				for id, want := range map[string]string{"o1": "say \"please\"", "o2": ""} {
					if op, err := db.Operations().Get(t.Context(), id); err != nil || op.Hint.String() != want {
						t.Errorf("hint of %s after the upgrade: %q, %v", id, op.Hint, err)
					}
				}
			}
			if err := db.Operations().Save(t.Context(), operation.Operation{ID: "a", State: operation.Running}); err != nil {
				t.Errorf("save an operation after the upgrade: %v", err)
			}
		})
	}
}

func TestANewerDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	if _, err := db.sql.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path)
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "9999") || fault.HintOf(err).String() == "" {
		t.Errorf("Open = %v (hint %q)", err, fault.HintOf(err).String())
	}
	if version, err := schemaVersion(t.Context(), db.sql); err != nil || version != 9999 {
		t.Errorf("schema version = %d, %v", version, err)
	}
}

func TestADamagedDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	garbage := []byte(strings.Repeat("this is no database. ", 500))
	if err := os.WriteFile(path, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path)
	if !errors.Is(err, fault.Internal) || fault.HintOf(err).String() == "" || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v (hint %q)", err, fault.HintOf(err).String())
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != string(garbage) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestADamagedRowIsAFault(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	if err := db.VMs().Insert(t.Context(), sampleVM(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.sql.ExecContext(t.Context(), `UPDATE vms SET env = 'nonsense'`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.VMs().List(t.Context()); !errors.Is(err, fault.Internal) || !strings.Contains(err.Error(), "env") {
		t.Errorf("List = %v", err)
	}
}

func TestAFullDiskIsUnavailable(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	db.sql.SetMaxOpenConns(1) // the limit is the connection's
	if _, err := db.sql.ExecContext(t.Context(), `PRAGMA max_page_count = 1`); err != nil {
		t.Fatal(err)
	}
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = db.VMs().Insert(t.Context(), sampleVM(n))
	}
	if !errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() == "" {
		t.Errorf("Insert on a full disk = %v", err)
	}
	if _, err := db.VMs().List(t.Context()); err != nil {
		t.Errorf("List on a full disk = %v", err)
	}
}

func TestACancelledCallerGetsItsOwnError(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.VMs().List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v", err)
	}
	if err := db.VMs().Insert(ctx, sampleVM(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Insert = %v", err)
	}
}

func BenchmarkOpenCurrent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state.db")
	db, err := Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenNew(b *testing.B) {
	for n := 0; b.Loop(); n++ {
		db, err := Open(b.Context(), filepath.Join(b.TempDir(), fmt.Sprint(n)))
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	db, err := Open(b.Context(), filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		if err := db.VMs().Insert(b.Context(), sampleVM(n)); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkList1000(b *testing.B) {
	db, err := Open(b.Context(), filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	for n := range 1000 {
		if err := db.VMs().Insert(b.Context(), sampleVM(n)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if vms, err := db.VMs().List(b.Context()); err != nil || len(vms) != 1000 {
			b.Fatal(len(vms), err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
