package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const firecrackerDriver = "firecracker"

// bareMachine is Firecracker's own configuration of a machine, as its file for
// --config-file has it (docs/getting-started.md there).
type bareMachine struct {
	Boot struct {
		Kernel    string `json:"kernel_image_path"`
		Initramfs string `json:"initrd_path"`
		Args      string `json:"boot_args"`
	} `json:"boot-source"`
	Machine struct {
		VCPU   int   `json:"vcpu_count"`
		Memory int64 `json:"mem_size_mib"`
	} `json:"machine-config"`
	Drives []struct{} `json:"drives"`
}

// bootFirecracker is boot on Firecracker, beside Firecracker alone with the same
// program, kernel and memory, and a trivial /init.
func (b *bench) bootFirecracker(ctx context.Context) error {
	argv, err := b.bareFirecracker(ctx)
	if err != nil {
		return err
	}
	n := 0
	pairs, err := interleaved(b.pairs,
		func() (took time.Duration, err error) { n++; return b.createOnce(ctx, fmt.Sprintf("boot-%d", n)) },
		func() (took time.Duration, err error) { return bareBoot(ctx, argv) })
	if err != nil {
		return err
	}
	if err := b.reportTimeline(); err != nil {
		return err
	}
	return b.report("vm create to ready", "bare Firecracker to a trivial /init", 1.3, pairs)
}

// bareFirecracker takes kernel and shape of a VM that banger runs.
func (b *bench) bareFirecracker(ctx context.Context) ([]string, error) {
	var m bareMachine
	var err error
	if m.Boot.Initramfs, err = b.trivialInitramfs(ctx); err != nil {
		return nil, err
	}
	shown, err := b.banger(ctx, "vm", "create", "--name", "model", "--image", "busybox", "--no-start", "-o", "json")
	if err != nil {
		return nil, err
	}
	var vm struct {
		VCPU   int   `json:"vcpu"`
		Memory int64 `json:"memory_bytes"`
	}
	if err := json.Unmarshal([]byte(shown), &vm); err != nil {
		return nil, err
	}
	if _, err := b.banger(ctx, "vm", "delete", "model"); err != nil {
		return nil, err
	}
	m.Boot.Kernel = b.kernel()
	m.Boot.Args = "console=ttyS0 quiet reboot=k panic=-1"
	m.Machine.VCPU, m.Machine.Memory = vm.VCPU, vm.Memory>>20
	m.Drives = []struct{}{}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(b.dir, "bare.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	program := os.Getenv("BANGER_FIRECRACKER_BIN")
	if program == "" {
		program = "firecracker"
	}
	return []string{program, "--no-api", "--level", "Error", "--config-file", path}, nil
}
