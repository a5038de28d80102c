package kernel_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/statedir"
)

func TestBuildFromFiles(t *testing.T) {
	needDepmod(t)
	const version = "6.1.0-56-cloud-amd64"
	cat := newCatalog(t)
	tree := onDisk(t, kerneltest.Debian(version))
	imported, err := cat.Import(t.Context(), "k", tree, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	exe, modules := filepath.Join(tree, "boot/vmlinuz-"+version), filepath.Join(tree, "lib/modules", version)
	build := func(exe, modules, place string) (kernel.Manifest, error) {
		src, files, err := kernelstore.OpenFiles(exe, "", modules)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close() //nolint:errcheck // read only
		return cat.BuildFrom(t.Context(), "k", src, files, place, &stages{})
	}
	place := filepath.Join(t.TempDir(), "kernel")
	m, err := build(exe, modules, place)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(imported, m, cmpopts.IgnoreFields(m, "Source", "SourceSHA256")); diff != "" {
		t.Errorf("imported (-), built from its files (+):\n%s", diff)
	}
	checkTree(t, statedir.Kernel(place))
	checkNothingStaged(t, cat.dirs)

	above := t.TempDir()
	noKernel := filepath.Join(above, "f")
	if err := os.WriteFile(noKernel, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := build(noKernel, modules, filepath.Join(above, "kernel")); !errors.Is(err, fault.Invalid) {
		t.Errorf("of no kernel: %v", err)
	}
	if left, err := os.ReadDir(above); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestAKernelWithoutItsModules is refused where what guests need is not built in: no VM of it
// would be ready.
func TestAKernelWithoutItsModules(t *testing.T) {
	whole := kerneltest.Vmlinux(elf.EM_X86_64, "6.1.0")
	modular := bytes.ReplaceAll(bytes.ReplaceAll(whole, []byte("virtio_blk"), []byte("virtio_xxx")), []byte("overlay"), []byte("overlap"))
	for name, test := range map[string]struct {
		exe  []byte
		want string
	}{
		"built in": {whole, ""}, "modular": {modular, "no virtio_blk, overlay built in"},
	} {
		t.Run(name, func(t *testing.T) {
			cat, dir := newCatalog(t), t.TempDir()
			exe := filepath.Join(dir, "vmlinux")
			if err := os.WriteFile(exe, test.exe, 0o600); err != nil {
				t.Fatal(err)
			}
			check := func(how string, err error) {
				refused := errors.Is(err, fault.Invalid) && strings.Contains(err.Error(), test.want) && strings.Contains(fault.HintOf(err).String(), "/lib/modules/6.1.0")
				if test.want == "" && err != nil || test.want != "" && !refused {
					t.Errorf("%s: %v (hint %q), want %q", how, err, fault.HintOf(err), test.want)
				}
			}
			_, err := cat.Import(t.Context(), "k", dir, &stages{})
			check("imported", err)
			src, files, err := kernelstore.OpenFiles(exe, "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close() //nolint:errcheck // read only
			_, err = cat.BuildFrom(t.Context(), "own", src, files, filepath.Join(t.TempDir(), "kernel"), &stages{})
			check("from files", err)
			checkNothingStaged(t, cat.dirs)
		})
	}
}
