// Package testguest makes a kernel and an initramfs for tests that boot real
// machines without an image. Its PID 1 is in testguest/init.
package testguest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/bangervm/banger/e2e/fixture"
)

// CommandPort is the port on which the guest takes one command a stream:
// "echo", "poweroff", "reboot", "monotonic", "reset", "clock" or "fill", and a
// newline.
const CommandPort = 2000

// Files are what a machine boots from.
type Files struct {
	VMM, Kernel, Initramfs string
}

// Make builds the files, or skips the test where that cannot be done: where
// BANGER_TEST_REQUIRE=1, it fails it.
func Make(t *testing.T) Files {
	t.Helper()
	files, root, err := find(t.Context())
	if err != nil {
		Missing(t, err)
	}
	dir := t.TempDir()
	files.Initramfs = filepath.Join(dir, "initramfs")
	init := filepath.Join(dir, "init")
	if err := build(t.Context(), init); err != nil {
		t.Fatal(err)
	}
	if err := pack(files.Initramfs, root, init); err != nil {
		t.Fatal(err)
	}
	return files
}

// Missing skips a test that cannot run here, and fails it where
// BANGER_TEST_REQUIRE=1.
func Missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal("cannot run here:", err)
	}
	t.Skip("cannot run here:", err)
}

// find finds QEMU and a kernel, and returns the unpacked package that it is from.
func find(ctx context.Context) (files Files, root string, err error) {
	vmm, err := exec.LookPath("qemu-system-x86_64")
	if err != nil || runtime.GOARCH != "amd64" {
		return Files{}, "", fmt.Errorf("no QEMU for amd64: %w", err)
	}
	cache, err := fixture.Open()
	if err != nil {
		return Files{}, "", err
	}
	root, err = cache.Path(ctx, "kernel")
	if err != nil {
		return Files{}, "", err
	}
	kernels, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) == 0 {
		return Files{}, "", fmt.Errorf("no kernel in %s", root)
	}
	return Files{VMM: vmm, Kernel: kernels[len(kernels)-1]}, root, nil
}

// build compiles the guest's PID 1, or copies the one that BANGER_TEST_GUEST_INIT
// names, where there is no Go.
func build(ctx context.Context, path string) error {
	if built := os.Getenv("BANGER_TEST_GUEST_INIT"); built != "" {
		return os.Symlink(built, path)
	}
	const program = "github.com/bangervm/banger/internal/monitor/testguest/init"
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", path, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the guest: %w: %s", err, out)
	}
	return nil
}

// pack writes the initramfs: /init, and the modules that it loads, in order.
func pack(archive, root, init string) (err error) {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := entry(f, "modules", 0o40755, nil); err != nil {
		return err
	}
	for i, name := range []string{
		"drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_mmio", "drivers/char/virtio_console", "drivers/block/virtio_blk",
		"net/vmw_vsock/vsock", "net/vmw_vsock/vmw_vsock_virtio_transport_common", "net/vmw_vsock/vmw_vsock_virtio_transport",
	} {
		found, err := filepath.Glob(filepath.Join(root, "lib/modules/*/kernel", name+".ko"))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("no module %s in %s", name, root)
		}
		data, err := os.ReadFile(found[len(found)-1])
		if err != nil {
			return err
		}
		if err := entry(f, fmt.Sprintf("modules/%d-%s", i, filepath.Base(found[0])), 0o100644, data); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(init)
	if err != nil {
		return err
	}
	if err := entry(f, "init", 0o100755, data); err != nil {
		return err
	}
	return entry(f, "TRAILER!!!", 0, nil)
}

// entry writes one entry of a "newc" cpio archive, by the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst.
func entry(w io.Writer, name string, mode int, data []byte) error {
	pad := func(n int) string { return "\x00\x00\x00"[:(4-n%4)%4] }
	head := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	for _, part := range []string{head, pad(len(head)), string(data), pad(len(data))} {
		if _, err := io.WriteString(w, part); err != nil {
			return err
		}
	}
	return nil
}
