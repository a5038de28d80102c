package jail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/vmm"
)

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func furnished(t *testing.T) (Jail, vmm.Spec) {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal("only root gives files away")
		}
		t.Skip("only root gives files away")
	}
	dir := t.TempDir()
	return Jail{Dir: filepath.Join(dir, "run/jail"), Firecracker: write(t, filepath.Join(dir, "bin/firecracker"), "fc", 0o700), UID: 2000000007},
		vmm.Spec{
			Kernel: write(t, filepath.Join(dir, "k/vmlinux"), "kernel", 0o600), Initramfs: write(t, filepath.Join(dir, "k/initramfs"), "initramfs", 0o600),
			Disks: []vmm.Disk{
				{Name: "image", Path: write(t, filepath.Join(dir, "i/rootfs.ext4"), "image", 0o600), ReadOnly: true},
				{Name: "vm", Path: write(t, filepath.Join(dir, "vm/disk"), "disk", 0o600)},
			},
		}
}

func owner(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

func TestTheJailHasTheMachinesFilesAndNothingElse(t *testing.T) {
	j, spec := furnished(t)
	for range 2 { // again, as after a crash
		inside, err := j.Furnish(spec)
		if err != nil {
			t.Fatal(err)
		}
		if inside.Kernel != "/vmlinux" || inside.Initramfs != "/initramfs" || inside.Disks[0].Path != "/disk0" || inside.Disks[1].Path != "/disk1" {
			t.Errorf("%+v", inside)
		}
		for path, text := range map[string]string{"/vmlinux": "kernel", "/initramfs": "initramfs", "/disk0": "image", "/disk1": "disk"} {
			got, err := os.ReadFile(filepath.Join(j.Root(), path))
			if err != nil || string(got) != text || owner(t, filepath.Join(j.Root(), path)) != j.UID {
				t.Errorf("%s is %q, %v, of user %d", path, got, err, owner(t, filepath.Join(j.Root(), path)))
			}
		}
		entries, err := os.ReadDir(j.Root())
		if err != nil || len(entries) != 4 {
			t.Errorf("%d files, %v", len(entries), err)
		}
		if owner(t, spec.Disks[0].Path) != 0 || owner(t, spec.Kernel) != 0 {
			t.Error("files of several VMs were given to one")
		}
	}
	if err := os.WriteFile(filepath.Join(j.Root(), "disk1"), []byte("more"), 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := j.Clear(spec); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(spec.Disks[1].Path); string(got) != "more" || owner(t, spec.Disks[1].Path) != 0 {
		t.Errorf("the disk is %q, of user %d", got, owner(t, spec.Disks[1].Path))
	}
	if _, err := os.Lstat(j.Dir); !os.IsNotExist(err) {
		t.Errorf("the jail is left: %v", err)
	}
}

func TestArguments(t *testing.T) {
	j := Jail{Dir: "/d", Firecracker: "/bin/firecracker", UID: 7}
	got := strings.Join(j.Arguments(Limits{Files: 10, FileBytes: 20}, "--api-sock", "/a"), " ")
	if want := "--id vm --exec-file /bin/firecracker --uid 7 --gid 7 --chroot-base-dir /d --resource-limit no-file=10 --resource-limit fsize=20 -- --api-sock /a"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	args := j.Arguments(Limits{Parent: "banger/x", MemoryBytes: 1 << 20, CPUs: 2, Processes: 5})
	for _, want := range []string{"memory.max=1048576", "cpu.max=200000 100000", "pids.max=5"} {
		if i := slices.Index(args, want); i < 1 || args[i-1] != "--cgroup" {
			t.Errorf("%q lacks %s", args, want)
		}
	}
	if i := slices.Index(args, "--parent-cgroup"); i < 0 || args[i+1] != "banger/x" {
		t.Errorf("%q", args)
	}
}
