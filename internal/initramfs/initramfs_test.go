package initramfs

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/statedir"
)

// fixture is a builder on an agent and a kernel with two modules.
func fixture(t *testing.T) (*Builder, kernel.Manifest) {
	t.Helper()
	dirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	agent := filepath.Join(t.TempDir(), "agent")
	put(t, agent, "agent one")
	k := kernel.Manifest{
		Name: "k", Version: "6.1", BootModules: []string{"ring.ko"}, LateModules: []string{"blk.ko"}, BootModulesSHA256: "abc",
		ModuleDevices: map[string]uint32{"blk.ko": 2},
	}
	put(t, filepath.Join(dirs.Kernel("k").BootModules(), "ring.ko"), "ring")
	put(t, filepath.Join(dirs.Kernel("k").BootModules(), "blk.ko"), "blk")
	return New(dirs, agent, slog.New(slog.DiscardHandler)), k
}

func put(t *testing.T, path, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o700); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, b *Builder, k kernel.Manifest) string {
	t.Helper()
	path, err := b.Build(t.Context(), k, b.dirs.Kernel("k"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBuildHoldsTheAgentAndTheModules(t *testing.T) {
	b, k := fixture(t)
	data, err := os.ReadFile(build(t, b, k))
	if err != nil {
		t.Fatal(err)
	}
	files, err := readArchive(data)
	if err != nil {
		t.Fatal(err)
	}
	var list agentrpc.InitramfsModules
	if err := json.Unmarshal([]byte(files["banger/modules.json"]), &list); err != nil {
		t.Fatal(err)
	}
	delete(files, "banger/modules.json")
	if diff := cmp.Diff(agentrpc.InitramfsModules{Version: "6.1", Boot: k.BootModules, Late: k.LateModules, Devices: k.ModuleDevices}, list); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{"init": "agent one", "banger/modules/ring.ko": "ring", "banger/modules/blk.ko": "blk"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
}

func TestBuildOfAKernelWithoutModulesHasEmptyLists(t *testing.T) {
	b, _ := fixture(t)
	data, err := os.ReadFile(build(t, b, kernel.Manifest{Name: "plain", Version: "6.1"}))
	if err != nil {
		t.Fatal(err)
	}
	files, err := readArchive(data)
	if err != nil || files["banger/modules.json"] != `{"version":"6.1","boot":[],"late":[]}` {
		t.Errorf("%v, %q", err, files["banger/modules.json"])
	}
}

func TestBuildIsCachedByContent(t *testing.T) {
	b, k := fixture(t)
	first := build(t, b, k)
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	if again := build(t, b, k); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	after, err := os.Stat(first)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("built again: %v", err)
	}
	other := k
	other.BootModulesSHA256 = "def"
	if path := build(t, b, other); path == first {
		t.Error("other modules, the same archive")
	}
	put(t, b.agent, "agent two")
	if path := build(t, b, k); path == first {
		t.Error("another agent, the same archive")
	}
}

func TestBuildersAtOnce(t *testing.T) {
	b, k := fixture(t)
	another := New(b.dirs, b.agent, b.log) // as in another process
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if _, err := []*Builder{b, another}[i%2].Build(context.Background(), k, b.dirs.Kernel("k")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(b.dirs.Initramfs())
	if err != nil || len(left) != 1 {
		t.Errorf("the cache holds %v, %v; want one archive", left, err)
	}
}

func TestBuildFailsWithoutTraces(t *testing.T) {
	b, k := fixture(t)
	missing := k
	missing.LateModules = []string{"gone.ko"}
	if _, err := b.Build(t.Context(), missing, b.dirs.Kernel("k")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "gone.ko") {
		t.Errorf("%v, want that gone.ko does not exist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Build(ctx, k, b.dirs.Kernel("k")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it cancelled", err)
	}
	if left, err := os.ReadDir(b.dirs.Initramfs()); err != nil || len(left) != 0 {
		t.Errorf("the cache holds %v, %v", left, err)
	}
	b.agent = filepath.Join(t.TempDir(), "none")
	if _, err := b.Build(t.Context(), k, b.dirs.Kernel("k")); !errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() == "" {
		t.Errorf("%v, want Unavailable with a hint", err)
	}
}

func TestSweep(t *testing.T) {
	b, k := fixture(t)
	if err := b.Sweep(t.Context(), time.Now()); err != nil {
		t.Errorf("before the cache exists: %v", err)
	}
	used := build(t, b, k)
	old := filepath.Join(b.dirs.Initramfs(), "old")
	put(t, old, "x")
	put(t, filepath.Join(b.dirs.Initramfs(), "x.1"+statedir.StagingSuffix), "x")
	past := time.Now().Add(-unused)
	for _, path := range []string{old, used} {
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	build(t, b, k) // used again
	if err := b.Sweep(t.Context(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(b.dirs.Initramfs())
	if err != nil || len(left) != 1 || left[0].Name() != filepath.Base(used) {
		t.Errorf("the cache holds %v, %v; want only %s", left, err, used)
	}
}
