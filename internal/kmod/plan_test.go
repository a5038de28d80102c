package kmod

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/fault"
)

// writeIndex writes the files of a tree's index.
func writeIndex(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const virtioDep = `kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_mmio.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/char/virtio_console.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/fs/overlayfs/overlay.ko:
`

func planOf(t *testing.T, files map[string]string) (boot, late []string, err error) {
	t.Helper()
	ix, err := readIndex(writeIndex(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return ix.plan()
}

func bases(files []string) []string {
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".ko"))
	}
	return names
}

func TestPlan(t *testing.T) {
	const ext4 = "kernel/fs/ext4/ext4.ko\n"
	tests := map[string]struct {
		files      map[string]string
		boot, late []string
	}{
		"modules": {
			map[string]string{"modules.dep": virtioDep, "modules.builtin": ext4},
			[]string{"virtio_ring", "virtio", "virtio_mmio", "virtio_console"},
			[]string{"virtio_blk", "overlay"},
		},
		"all built in": {
			map[string]string{"modules.dep": "kernel/x.ko:\n", "modules.builtin": ext4 + "a/virtio_mmio.ko\na/virtio-console.ko\na/virtio_blk.ko\na/overlay.ko\n"},
			nil, nil,
		},
		"some built in": {
			map[string]string{"modules.dep": virtioDep, "modules.builtin": ext4 + "a/virtio_mmio.ko\na/overlay.ko\n"},
			[]string{"virtio_ring", "virtio", "virtio_console"},
			[]string{"virtio_blk"},
		},
		"a soft dependency by alias, on any processor": {
			map[string]string{
				"modules.dep":     virtioDep + "kernel/ext4.ko:\nkernel/crc32c-intel.ko:\nkernel/crc32c_generic.ko:\n",
				"modules.builtin": "x.ko\n", "modules.softdep": "# comment\nsoftdep ext4 pre: crc32c post: nothing\n",
				"modules.alias": "alias crc32c crc32c_intel\nalias crc32c crc32c_generic\nalias pci:* x\n",
			},
			[]string{"virtio_ring", "virtio", "virtio_mmio", "virtio_console"},
			[]string{"virtio_blk", "crc32c_generic", "ext4", "overlay"},
		},
		"a package that does not say what is built in": {
			map[string]string{"modules.dep": "kernel/overlay.ko:\n"}, nil, []string{"overlay"},
		},
		"modules that depend on each other": {
			map[string]string{"modules.dep": "overlay.ko: a.ko\na.ko: b.ko overlay.ko\nb.ko: a.ko\n"},
			nil,
			[]string{"b", "a", "overlay"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			boot, late, err := planOf(t, tt.files)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.boot, bases(boot)); diff != "" {
				t.Errorf("boot: %s", diff)
			}
			if diff := cmp.Diff(tt.late, bases(late)); diff != "" {
				t.Errorf("late: %s", diff)
			}
		})
	}
}

func TestPlanNamesWhatIsMissing(t *testing.T) {
	_, _, err := planOf(t, map[string]string{
		"modules.dep":     strings.ReplaceAll(virtioDep, "virtio_console", "virtio_other"),
		"modules.builtin": "kernel/fs/ext4/ext4.ko\n",
	})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "virtio_console") || fault.HintOf(err).String() == "" {
		t.Errorf("%v, want Invalid that names virtio_console, with a hint", err)
	}
}

// TestOrderRespectsDependencies makes up modules that depend on earlier ones
// only, and sees that each is loaded after all that it depends on.
func TestOrderRespectsDependencies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "modules")
		names := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}).Draw(t, "names")[:n]
		ix := &index{path: map[string]string{}, deps: map[string][]string{}}
		closure := map[string][]string{}
		for i, name := range names {
			ix.path[name] = name + ".ko"
			for _, dep := range names[:i] {
				if rapid.Bool().Draw(t, "depends") {
					for _, d := range append(slices.Clone(closure[dep]), dep) {
						if !slices.Contains(closure[name], d) {
							closure[name] = append(closure[name], d)
						}
					}
				}
			}
			ix.deps[name] = rapid.Permutation(closure[name]).Draw(t, "order") // depmod's own order is one of these
		}
		top := names[n-1]
		got, err := ix.order([]want{{name: top}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(closure[top])+1 {
			t.Fatalf("%v loads for %s, which needs %v", got, top, closure[top])
		}
		for i, file := range got {
			for _, dep := range closure[strings.TrimSuffix(file, ".ko")] {
				if j := slices.Index(got, dep+".ko"); j < 0 || j > i {
					t.Errorf("%s is loaded without %s before it: %v", file, dep, got)
				}
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add(virtioDep, "kernel/fs/ext4/ext4.ko\n", "softdep a pre: b post: c\n", "alias a b\n")
	f.Fuzz(func(t *testing.T, dep, builtin, softdep, alias string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"modules.dep": dep, "modules.builtin": builtin, "modules.softdep": softdep, "modules.alias": alias} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ix, err := readIndex(dir)
		if err != nil {
			return
		}
		boot, late, err := ix.plan()
		if err == nil && len(boot)+len(late) > len(ix.path) {
			t.Errorf("%d modules of %d", len(boot)+len(late), len(ix.path))
		}
	})
}

func TestDevicesAreWhatOnlyOneDriverNeeds(t *testing.T) {
	ix, err := readIndex(writeIndex(t, map[string]string{
		"modules.dep": virtioDep + "kernel/virtio_net.ko: kernel/net_failover.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko\n" +
			"kernel/net_failover.ko:\nkernel/drivers/virtio-rng.ko: kernel/drivers/virtio/virtio.ko\n",
		"modules.builtin": "kernel/fs/ext4/ext4.ko\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint32{"virtio_console.ko": 3, "virtio-rng.ko": 4, "virtio_blk.ko": 2, "virtio_net.ko": 1, "net_failover.ko": 1}
	if diff := cmp.Diff(want, ix.devices()); diff != "" {
		t.Error(diff)
	}
}
