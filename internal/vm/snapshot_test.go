package vm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/snapshotstore"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// files is a vm.Disks whose disks are real files.
type files struct {
	*fakeDisks
	dirs statedir.Dirs
}

func (f files) Create(ctx context.Context, id string, bytes int64) error {
	dir := f.dirs.VM(id)
	if err := errors.Join(os.MkdirAll(string(dir), 0o700), os.WriteFile(dir.Disk(), []byte("new"), 0o600)); err != nil {
		return err
	}
	return f.fakeDisks.Create(ctx, id, bytes)
}

// Sweep removes the staged disk of each VM, as vmdir does.
func (f files) Sweep(ctx context.Context) ([]string, error) {
	ids, err := f.fakeDisks.Sweep(ctx)
	for _, id := range ids {
		err = errors.Join(err, os.RemoveAll(f.dirs.VM(id).DiskStaged()))
	}
	return ids, err
}

func (f files) Remove(ctx context.Context, id string) error {
	return errors.Join(os.RemoveAll(string(f.dirs.VM(id))), f.fakeDisks.Remove(ctx, id))
}

// kept is a harness whose VMs have real disks and snapshots, with the fake workspaces work.
type kept struct {
	*harness
	dirs statedir.Dirs
	work *work
}

func newKept(t *testing.T) *kept {
	t.Helper()
	root := t.TempDir()
	h := &kept{harness: newHarness(t), work: &work{}, dirs: statedir.Dirs{
		Config: filepath.Join(root, "config"), State: filepath.Join(root, "state"), Cache: filepath.Join(root, "cache"), Runtime: filepath.Join(root, "run"),
	}}
	if err := h.dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	h.deps.Disks, h.deps.Workspaces, h.deps.Snapshots = files{h.disks, h.dirs}, h.work, snapshotstore.New(h.dirs)
	h.restartDaemon(func() {})
	return h
}

func (h *kept) write(id, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.dirs.VM(id).Disk(), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *kept) read(path string) string {
	h.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *kept) snap(name string) snapshot.Snapshot {
	h.t.Helper()
	one, err := h.svc.CreateSnapshot(h.t.Context(), "web", vm.SnapshotRequest{Name: &name}, quiet)
	if err != nil {
		h.t.Fatalf("CreateSnapshot %s: %v", name, err)
	}
	return one
}

func (h *kept) names() []string {
	h.t.Helper()
	_, all, err := h.svc.Snapshots(h.t.Context(), "web")
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, one := range all {
		names = append(names, one.Name)
	}
	return names
}

// nothingStaged checks that no unfinished file is left of a VM.
func (h *kept) nothingStaged(id string) {
	h.t.Helper()
	err := filepath.WalkDir(string(h.dirs.VM(id)), func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, statedir.StagingSuffix) || path == h.dirs.VM(id).Rollback() {
			h.t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestASnapshotKeepsTheDisk(t *testing.T) {
	h := newKept(t)
	v := h.create("web", false)
	h.write(v.ID, "one")
	one := h.snap("first")
	h.write(v.ID, "two")
	if got := h.read(h.dirs.VM(v.ID).Snapshot(one.ID).Disk()); got != "one" {
		t.Errorf("the snapshot has %q", got)
	}
	if one.DiskBytes != v.DiskBytes || one.ImageID != v.ImageID || one.Live || one.Origin != snapshot.Asked {
		t.Errorf("%+v", one)
	}
	if _, got, err := h.svc.Snapshot(t.Context(), "web", one.ID); err != nil || got.Name != "first" {
		t.Errorf("by its ID: %+v, %v", got, err)
	}
	_, _, err := h.svc.Snapshot(t.Context(), "web", "other")
	wantFault(t, err, fault.NotFound, "web", "other")
	h.nothingStaged(v.ID)
}

func TestASnapshotIsRefused(t *testing.T) {
	tests := map[string]struct {
		req   vm.SnapshotRequest
		start bool
		code  fault.Code
		words []string
	}{
		"a name that is no label":      {vm.SnapshotRequest{Name: new("Not_OK")}, false, fault.Invalid, []string{"snapshot name"}},
		"a name like an ID":            {vm.SnapshotRequest{Name: new("0123456789abcdef")}, false, fault.Invalid, []string{"looks like an ID"}},
		"a name that is taken":         {vm.SnapshotRequest{Name: new("first")}, false, fault.Conflict, []string{"first already"}},
		"a long note":                  {vm.SnapshotRequest{Note: strings.Repeat("x", 2000)}, false, fault.Invalid, []string{"2000 bytes"}},
		"a note with an escape":        {vm.SnapshotRequest{Note: "\x1b[2J"}, false, fault.Invalid, []string{"cannot be shown"}},
		"a VM that runs":               {vm.SnapshotRequest{}, true, fault.Conflict, []string{"web is running"}},
		"more than there can be of it": {vm.SnapshotRequest{Name: new("more")}, false, fault.Conflict, []string{"64 snapshots"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := newKept(t)
			h.create("web", false)
			h.snap("first")
			if tt.words[0] == "64 snapshots" {
				for n := len(h.names()); n < snapshot.Most; n++ {
					h.snap(fmt.Sprintf("s%d", n))
				}
			}
			before := len(h.names())
			if tt.start {
				if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
					t.Fatal(err)
				}
			}
			_, err := h.svc.CreateSnapshot(t.Context(), "web", tt.req, quiet)
			wantFault(t, err, tt.code, tt.words...)
			if got := len(h.names()); got != before {
				t.Errorf("%d snapshots, before %d", got, before)
			}
		})
	}
}

// still is a vm.Quiet that remembers whom it asked.
type still struct {
	asked []string
	err   error
}

func (s *still) Sync(_ context.Context, id string) error {
	s.asked = append(s.asked, id)
	return s.err
}

func TestTheDiskOfARunningVMIsCopiedWhileItStandsStill(t *testing.T) {
	for name, tt := range map[string]struct {
		sync error
		want fault.Code
	}{
		"in order":              {},
		"no sync in the guest":  {sync: fault.New(fault.NotFound, "no sync")},
		"the guest cannot sync": {sync: fault.New(fault.Unavailable, "stuck"), want: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := newKept(t)
			asked := &still{err: tt.sync}
			h.deps.Quiet = asked
			h.restartDaemon(func() {})
			v := h.create("web", true)
			one, err := h.svc.CreateSnapshot(t.Context(), "web", vm.SnapshotRequest{DiskOnly: true}, quiet)
			if tt.want != "" {
				wantFault(t, err, tt.want, "does not write")
				if len(h.names()) != 0 {
					t.Error("there is a snapshot")
				}
			} else if err != nil || !one.Live {
				t.Fatalf("%+v, %v", one, err)
			}
			if !slices.Equal(asked.asked, []string{v.ID}) {
				t.Errorf("asked %v", asked.asked)
			}
			h.eventually("web", inState(vm.Running))
		})
	}
}

func TestRollbackPutsTheDiskBackAndKeepsWhatWas(t *testing.T) {
	h := newKept(t)
	v := h.create("web", false)
	h.write(v.ID, "one")
	h.snap("first")
	h.write(v.ID, "two")
	larger := v.DiskBytes + gib
	if _, err := h.svc.Set(t.Context(), "web", vm.Change{DiskBytes: &larger}); err != nil {
		t.Fatal(err)
	}
	done, err := h.svc.Rollback(t.Context(), "web", vm.RollbackRequest{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.read(h.dirs.VM(v.ID).Disk()); got != "one" {
		t.Errorf("the disk has %q", got)
	}
	if got := h.read(h.dirs.VM(v.ID).Snapshot(done.Kept.ID).Disk()); got != "two" {
		t.Errorf("what was kept has %q", got)
	}
	if done.VM.DiskBytes != v.DiskBytes || done.Kept.DiskBytes != larger || done.Kept.Origin != snapshot.Rollback {
		t.Errorf("%+v", done)
	}
	if !strings.HasPrefix(done.Kept.Name, "before-rollback-") {
		t.Errorf("it is kept as %s", done.Kept.Name)
	}
	// The default is again what somebody asked for, and what was kept can be gone back to.
	if again, err := h.svc.Rollback(t.Context(), "web", vm.RollbackRequest{}, quiet); err != nil || again.To.Name != "first" {
		t.Errorf("%+v, %v", again.To, err)
	}
	if _, err := h.svc.Rollback(t.Context(), "web", vm.RollbackRequest{Snapshot: done.Kept.Name}, quiet); err != nil {
		t.Fatal(err)
	}
	if got := h.read(h.dirs.VM(v.ID).Disk()); got != "two" || h.get("web").DiskBytes != larger {
		t.Errorf("the disk has %q, %d bytes", got, h.get("web").DiskBytes)
	}
	h.nothingStaged(v.ID)
}

func TestRollbackOfARunningVMStartsItAgain(t *testing.T) {
	for name, noStart := range map[string]bool{"started again": false, "left stopped": true} {
		t.Run(name, func(t *testing.T) {
			h := newKept(t)
			h.create("web", false)
			h.snap("first")
			if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
				t.Fatal(err)
			}
			done, err := h.svc.Rollback(t.Context(), "web", vm.RollbackRequest{NoStart: noStart}, quiet)
			if err != nil || (done.VM.State == vm.Running) == noStart {
				t.Errorf("%s, %v", done.VM.State, err)
			}
		})
	}
}

func TestADamagedSnapshotIsNotGoneBackTo(t *testing.T) {
	h := newKept(t)
	v := h.create("web", false)
	one := h.snap("first")
	if err := os.WriteFile(h.dirs.VM(v.ID).Snapshot(one.ID).Disk(), []byte("longer than it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := h.svc.Rollback(t.Context(), "web", vm.RollbackRequest{Snapshot: "first"}, quiet)
	wantFault(t, err, fault.Internal, "first", "damaged")
	_, err = h.svc.Fork(t.Context(), "web", vm.ForkRequest{Count: 1, From: "first"}, quiet)
	wantFault(t, err, fault.Internal, "first", "damaged")
	if got := h.read(h.dirs.VM(v.ID).Disk()); got != "new" {
		t.Errorf("the disk has %q", got)
	}
}

// errDead is what a daemon that was killed does: nothing.
var errDead = errors.New("killed")

// life is how many calls a daemon makes before it is killed.
type life struct{ left int }

func (l *life) over() error {
	if l.left <= 0 {
		return errDead
	}
	l.left--
	return nil
}

// mortal is a snapshot.Store, and mortalVMs a vm.Store, of a daemon that is killed.
type mortal struct {
	snapshot.Store
	life *life
}

func (m mortal) Stage(ctx context.Context, vmID, id string, p operation.Progress) error {
	if err := m.life.over(); err != nil {
		return err
	}
	return m.Store.Stage(ctx, vmID, id, p)
}

func (m mortal) Keep(ctx context.Context, s snapshot.Snapshot, to string, also snapshot.Also) (snapshot.Snapshot, error) {
	if err := m.life.over(); err != nil {
		return s, err
	}
	return m.Store.Keep(ctx, s, to, also)
}

func (m mortal) Swap(ctx context.Context, vmID string) error {
	if err := m.life.over(); err != nil {
		return err
	}
	return m.Store.Swap(ctx, vmID)
}

func (m mortal) Undo(ctx context.Context, vmID string) error {
	if err := m.life.over(); err != nil {
		return err
	}
	return m.Store.Undo(ctx, vmID)
}

func (m mortal) Finish(ctx context.Context, vmID string) error {
	if err := m.life.over(); err != nil {
		return err
	}
	return m.Store.Finish(ctx, vmID)
}

type mortalVMs struct {
	vm.Store
	life *life
}

func (m mortalVMs) Update(ctx context.Context, id string, change func(*vm.VM) error) (vm.VM, error) {
	if err := m.life.over(); err != nil {
		return vm.VM{}, err
	}
	return m.Store.Update(ctx, id, change)
}

// However far a rollback came when the daemon is killed, the next one has the old disk with
// the old record, or the new with the new.
func TestAKilledRollbackIsTheOldOrTheNew(t *testing.T) {
	for calls := range 7 {
		h := newKept(t)
		h.work.copied = snapshot.WorkChanged
		v := h.create("web", false)
		h.write(v.ID, "one")
		h.snap("first")
		h.write(v.ID, "two")
		larger := v.DiskBytes + gib
		if _, err := h.svc.Set(t.Context(), "web", vm.Change{DiskBytes: &larger}); err != nil {
			t.Fatal(err)
		}
		alive := h.deps
		l := &life{left: calls}
		h.restartDaemon(func() { h.deps.Snapshots, h.deps.Store = mortal{alive.Snapshots, l}, mortalVMs{alive.Store, l} })
		_, err := h.svc.Rollback(t.Context(), "web", vm.RollbackRequest{}, quiet)
		if killed := errors.Is(err, errDead); !killed && err != nil {
			t.Fatalf("after %d calls: %v", calls, err)
		}
		h.restartDaemon(func() { h.deps = alive })
		now, disk, names := h.get("web"), h.read(h.dirs.VM(v.ID).Disk()), h.names()
		switch disk {
		case "one":
			if now.DiskBytes != v.DiskBytes || len(names) != 2 || !slices.Contains(h.work.loaded, v.ID) {
				t.Errorf("after %d calls: the new disk, %d bytes, snapshots %v", calls, now.DiskBytes, names)
			}
		case "two":
			if now.DiskBytes != larger || len(names) != 1 || len(h.work.loaded) != 0 {
				t.Errorf("after %d calls: the old disk, %d bytes, snapshots %v", calls, now.DiskBytes, names)
			}
		default:
			t.Errorf("after %d calls: the disk has %q", calls, disk)
		}
		h.nothingStaged(v.ID)
		if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
			t.Errorf("after %d calls: Start: %v", calls, err)
		}
	}
}

func TestWorkThatOnlyASnapshotHasIsNotLost(t *testing.T) {
	for name, tt := range map[string]struct {
		work snapshot.Work
		held bool
	}{
		"changes":      {snapshot.WorkChanged, true},
		"perhaps":      {snapshot.WorkUnknown, true},
		"none":         {snapshot.WorkClean, false},
		"no workspace": {snapshot.NoWorkspace, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newKept(t)
			h.create("web", false)
			h.snap("first")
			h.work.copied = tt.work
			done, err := h.svc.Rollback(t.Context(), "web", vm.RollbackRequest{}, quiet)
			if err != nil {
				t.Fatal(err)
			}
			pruned, err := h.svc.PruneSnapshots(t.Context(), "web", snapshot.Pruning{}, true)
			if err != nil || len(pruned) != 1 || (len(pruned[0].Held) == 1) != tt.held || (len(pruned[0].Gone) == 1) == tt.held {
				t.Errorf("prune: %+v, %v", pruned, err)
			}
			if !tt.held {
				if _, _, err := h.svc.DeleteSnapshot(t.Context(), "web", done.Kept.Name, false); err != nil {
					t.Error(err)
				}
				return
			}
			_, _, err = h.svc.DeleteSnapshot(t.Context(), "web", done.Kept.Name, false)
			wantFault(t, err, fault.Conflict, done.Kept.Name, "unexported work")
			wantFault(t, h.svc.Delete(t.Context(), "web", vm.Removal{}, quiet), fault.Conflict, done.Kept.Name, "unexported work")
			if _, _, err := h.svc.DeleteSnapshot(t.Context(), "web", done.Kept.Name, true); err != nil {
				t.Error(err)
			}
			if err := h.svc.Delete(t.Context(), "web", vm.Removal{}, quiet); err != nil {
				t.Error(err)
			}
			h.nothingLeft()
		})
	}
}

func TestPruneKeepsWhatItIsToldTo(t *testing.T) {
	h := newKept(t)
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	h.deps.Now = func() time.Time { at = at.Add(time.Second); return at }
	h.restartDaemon(func() {})
	h.create("web", false)
	for _, name := range []string{"a", "b", "c"} {
		h.snap(name)
	}
	if _, err := h.svc.PruneSnapshots(t.Context(), "", snapshot.Pruning{All: true, Keep: 2}, false); err != nil {
		t.Fatal(err)
	}
	if got := h.names(); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("left: %v", got)
	}
	if _, err := h.svc.PruneSnapshots(t.Context(), "web", snapshot.Pruning{}, false); err != nil {
		t.Fatal(err)
	}
	if got := h.names(); len(got) != 2 {
		t.Errorf("a prune takes what somebody asked for: %v", got)
	}
	_, err := h.svc.PruneSnapshots(t.Context(), "web", snapshot.Pruning{Keep: -1}, false)
	wantFault(t, err, fault.Invalid, "-1")
}

// compared is a vm.Diffs that remembers what it was asked for.
type compared struct{ older, newer string }

func (c *compared) Diff(_ context.Context, _, older, newer string) ([]snapshot.Change, int, error) {
	c.older, c.newer = older, newer
	return []snapshot.Change{{Path: "/a", Kind: "added"}}, 1, nil
}

func TestDiffComparesTheRightDisks(t *testing.T) {
	h := newKept(t)
	c := &compared{}
	h.deps.Diffs = c
	h.restartDaemon(func() {})
	v := h.create("web", false)
	one, two := h.snap("one"), h.snap("two")
	dir := h.dirs.VM(v.ID)
	if _, n, err := h.svc.DiffSnapshot(t.Context(), "web", "one", "two"); err != nil || n != 1 || c.older != dir.Snapshot(one.ID).Disk() || c.newer != dir.Snapshot(two.ID).Disk() {
		t.Errorf("%d, %v, %+v", n, err, c)
	}
	if _, _, err := h.svc.DiffSnapshot(t.Context(), "web", "two", ""); err != nil || c.older != dir.Snapshot(two.ID).Disk() || c.newer != h.disks.Path(v.ID) {
		t.Errorf("%v, %+v", err, c)
	}
	_, _, err := h.svc.DiffSnapshot(t.Context(), "web", "one", "none")
	wantFault(t, err, fault.NotFound, "none")
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.svc.DiffSnapshot(t.Context(), "web", "one", "")
	wantFault(t, err, fault.Conflict, "web is running")
}
