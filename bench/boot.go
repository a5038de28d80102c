package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/e2e/fixture"
)

// boot compares `vm create`, from the command's start to its end with the VM
// ready, with QEMU alone: the same program, machine, processor, memory and
// kernel, an initramfs with a trivial /init, and no disks or channels; from the
// start of the process to init's line. The yardstick's kernel command line is
// what such a boot needs; a second one has all of banger's own, so that what
// that alone gains is seen too.
func (b *bench) boot(ctx context.Context) error {
	if b.driver == firecrackerDriver {
		return b.bootFirecracker(ctx)
	}
	same, err := b.bareQEMU(ctx)
	if err != nil {
		return err
	}
	plain := slices.Clone(same)
	line := 1 + slices.Index(plain, "-append")
	plain[line] = plainCommandLine(plain[line])
	var againstPlain, againstSame []pair
	for n := range b.pairs {
		var p, s pair
		if p.yardstick, err = bareBoot(ctx, plain); err != nil {
			return err
		}
		if p.ours, err = b.createOnce(ctx, fmt.Sprintf("boot-%d", n)); err != nil {
			return err
		}
		s.ours = p.ours
		if s.yardstick, err = bareBoot(ctx, same); err != nil {
			return err
		}
		againstPlain, againstSame = append(againstPlain, p), append(againstSame, s)
	}
	return errors.Join(
		b.reportTimeline(),
		b.report("vm create to ready", "bare QEMU to a trivial /init", 1.3, againstPlain),
		b.report("vm create to ready", "the same, with banger's own cmdline", 1.3, againstSame))
}

// createOnce creates a VM, and removes it untimed. It keeps its boot timeline.
func (b *bench) createOnce(ctx context.Context, name string) (time.Duration, error) {
	took, err := b.timedBanger(ctx, "vm", "create", "--name", name, "--image", "busybox", "--init", "agent")
	if err != nil {
		return 0, err
	}
	if err := b.keepTimeline(ctx, name); err != nil {
		return 0, err
	}
	_, err = b.banger(ctx, "vm", "delete", "--force", name)
	return took, err
}

// plainCommandLine leaves of banger's command line a quiet console, and the
// rate of the time-stamp counter, without which most boots hang.
func plainCommandLine(banger string) string {
	words := strings.Fields(banger)
	return strings.Join(slices.DeleteFunc(words, func(word string) bool {
		name, _, _ := strings.Cut(word, "=")
		return !slices.Contains([]string{"console", "quiet", "tsc_early_khz"}, name)
	}), " ")
}

// bareQEMU takes the command line of a VMM that banger runs, and leaves only
// what a bare boot needs.
func (b *bench) bareQEMU(ctx context.Context) ([]string, error) {
	initramfs, err := b.trivialInitramfs(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := b.banger(ctx, "vm", "create", "--name", "model", "--image", "busybox"); err != nil {
		return nil, err
	}
	pid, err := b.runtimePID(ctx, "model", "vmm_pid")
	if err != nil {
		return nil, err
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil, err
	}
	theirs := strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
	argv := []string{theirs[0], "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-initrd", initramfs}
	keep := []string{"-M", "-machine", "-accel", "-cpu", "-smp", "-m", "-kernel", "-append", "-global", "-object"}
	for i := 1; i+1 < len(theirs); i++ {
		if slices.Contains(keep, theirs[i]) {
			argv = append(argv, theirs[i], theirs[i+1])
			i++
		}
	}
	if !slices.Contains(argv, "-kernel") || !slices.Contains(argv, "-append") {
		return nil, fmt.Errorf("no kernel in the VMM's command line %q", theirs)
	}
	argv[slices.Index(argv, "-kernel")+1] = b.kernel() // the VM's own copy goes with it
	_, err = b.banger(ctx, "vm", "delete", "--force", "model")
	return argv, err
}

// kitInitramfs is the trivial initramfs in a kit.
const kitInitramfs = "bench.cpio"

// kernel is the one that VMs get copies of.
func (b *bench) kernel() string {
	return filepath.Join(b.dir, "home/.local/state/banger/kernels/debian-12/vmlinux")
}

func (b *bench) trivialInitramfs(ctx context.Context) (string, error) {
	if b.kit != "" {
		return filepath.Join(b.kit, kitInitramfs), nil
	}
	path := filepath.Join(b.dir, kitInitramfs)
	return path, fixture.BuildTrivialInitramfs(ctx, b.repo, path)
}

func bareBoot(ctx context.Context, argv []string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var last string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		last = lines.Text()
		if strings.Contains(last, "bench-init-up") {
			took = time.Since(start)
			break
		}
	}
	cancel()
	waitErr := cmd.Wait()
	if took == 0 {
		return 0, errors.Join(fmt.Errorf("%s did not reach init; its last line: %q: %s", argv[0], last, stderr.Bytes()), waitErr)
	}
	return took, nil
}

// runtimePID returns a process id from `vm show`.
func (b *bench) runtimePID(ctx context.Context, name, key string) (int, error) {
	out, err := b.banger(ctx, "vm", "show", name, "-o", "json")
	if err != nil {
		return 0, err
	}
	var vm struct {
		Runtime map[string]any `json:"runtime"`
	}
	if err := json.Unmarshal([]byte(out), &vm); err != nil {
		return 0, err
	}
	pid, ok := vm.Runtime[key].(float64)
	if !ok {
		return 0, fmt.Errorf("no %s in %s", key, out)
	}
	return int(pid), nil
}
