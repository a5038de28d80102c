package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The outer VM.
const (
	outerName   = "outer"
	outerKernel = "kernel-full"
	outerImage  = "kvm-host.tar"
	outerKit    = "/opt/banger-e2e"
	outerVCPU   = 2
)

// enterOuter makes the outer VM a KVM host as its users know them: /dev/kvm is its
// group's, TAP devices are everybody's.
const enterOuter = `
	modprobe kvm_amd 2>/dev/null || modprobe kvm_intel
	getent group kvm >/dev/null || groupadd --system kvm
	chown root:kvm /dev/kvm
	chmod 660 /dev/kvm
	modprobe tun
	mkdir -p /dev/net
	[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
	chmod 666 /dev/net/tun`

// home is a home of its own in which this host's banger works.
type home struct {
	tier *tier
	dir  string
	used bool
}

func (h *home) state() string { return filepath.Join(h.dir, ".local/state/banger") }

// command prepares a banger command.
func (h *home) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(h.tier.kitDir(), "bin/banger"), args...)
	cmd.Env = []string{
		"HOME=" + h.dir, "XDG_RUNTIME_DIR=" + filepath.Join(h.dir, "run"), "PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin",
		"LANG=C.UTF-8", "NO_COLOR=1", "BANGER_NAMES_PORT=0",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // undoes what it has begun
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

func (h *home) banger(ctx context.Context, args ...string) error {
	if err := os.MkdirAll(filepath.Join(h.dir, "run"), 0o700); err != nil {
		return err
	}
	h.used = true
	if out, err := h.command(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("banger %v: %w: %s", args, err, out)
	}
	return nil
}

// store has banger store a fixture.
func (h *home) store(ctx context.Context, name string) error {
	argv, err := h.tier.storing(ctx, name)
	if err != nil {
		return err
	}
	return h.banger(ctx, argv...)
}

// startOuter starts the outer VM with the kit in its image.
func (h *home) startOuter(ctx context.Context) (place, error) {
	t := h.tier
	if err := h.store(ctx, outerKernel); err != nil {
		return nil, err
	}
	base, err := t.cache.Path(ctx, outerImage)
	if err != nil {
		return nil, err
	}
	t.say("making the outer VM's image")
	pull := h.command(ctx, "image", "pull", "tar:-", "--name", outerName)
	reader, writer := io.Pipe()
	pull.Stdin = reader
	go func() { _ = writer.CloseWithError(writeImage(writer, base, t.kitDir(), outerKit)) }()
	out, err := pull.CombinedOutput()
	_ = reader.Close()
	if err != nil {
		return nil, fmt.Errorf("the outer VM's image: %w: %s", err, out)
	}
	if err := h.createOuter(ctx); err != nil {
		return nil, err
	}
	vm := &outerVM{home: h}
	return vm, vm.enter(ctx)
}

// enter makes a KVM host of the outer VM, which has just started.
func (o *outerVM) enter(ctx context.Context) error {
	return o.run(ctx, command{argv: []string{"sh", "-ec", enterOuter}, dir: "/", out: o.home.tier.out})
}

// renew starts the outer VM again from its image, without what the lost one left.
func (o *outerVM) renew(ctx context.Context) error {
	if err := o.home.banger(ctx, "vm", "rm", "--force", outerName); err != nil {
		return err
	}
	if err := o.home.createOuter(ctx); err != nil {
		return err
	}
	return o.enter(ctx)
}

func (h *home) createOuter(ctx context.Context) error {
	return h.banger(ctx, "vm", "create", "--name", outerName, "--image", outerName, "--kernel", outerKernel,
		"--vcpu", strconv.Itoa(h.tier.vcpu), "--memory", "4GiB", "--disk", "24GiB", "--network", "none", "--nested")
}

// close removes the VMs and ends the daemon, whatever was there.
func (h *home) close(ctx context.Context) error {
	if !h.used {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	names, err := h.command(ctx, "vm", "list", "--all", "-o", "name").Output()
	if vms := strings.Fields(string(names)); err == nil && len(vms) > 0 {
		err = h.banger(ctx, append([]string{"vm", "rm", "--force"}, vms...)...)
	}
	return errors.Join(err, h.banger(ctx, "daemon", "stop", "--force"))
}

// outerVM is the place in the outer VM.
type outerVM struct{ home *home }

func (o *outerVM) kit() string { return outerKit }

func (o *outerVM) run(ctx context.Context, c command) error {
	args := []string{"vm", "exec", "-w", c.dir}
	for _, pair := range c.env {
		args = append(args, "-e", pair)
	}
	args = append(args, outerName, "--")
	if c.user {
		args = append(args, "runuser", "-u", "nobody", "-G", "kvm", "--")
	}
	err := passed(o.home.command(ctx, append(args, c.argv...)...), c.out)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == lostStatus {
		o.explain(ctx, c.out)
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// errLost is that the outer VM has ended, or no longer answers: no test has failed.
var errLost = errors.New("the outer VM was lost")

// lostStatus is of a `banger vm exec` that failed itself.
const lostStatus = 125

// explain prints how the outer VM ended, and the end of its console: what its kernel said before it was lost.
func (o *outerVM) explain(ctx context.Context, out io.Writer) {
	for _, about := range []struct {
		what string
		argv []string
	}{
		{"the outer VM", []string{"vm", "show", outerName}},
		{"the end of its console", []string{"vm", "logs", "--tail", "60", outerName}},
	} {
		o.home.tier.say("%s:", about.what)
		if err := passed(o.home.command(ctx, about.argv...), out); err != nil {
			o.home.tier.say("%v", err)
		}
	}
}
