package inits

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
)

// What systemd(1) takes SIGRTMIN+n for.
const (
	sigRTMIN        = 34
	systemdPoweroff = syscall.Signal(sigRTMIN + 4)
	systemdReboot   = syscall.Signal(sigRTMIN + 5)
)

// Shutdown asks PID 1, which is the init that was found, to go down in its own way.
// It does not wait for that.
func Shutdown(ctx context.Context, init Found, kind agentrpc.DownKind) error {
	reboot := kind == agentrpc.DownReboot
	switch init.Shutdown {
	case Systemd:
		return signalInit(ctx, pick(reboot, systemdReboot, systemdPoweroff))
	case Busybox:
		return signalInit(ctx, pick(reboot, syscall.SIGTERM, syscall.SIGUSR2))
	case Sysvinit:
		if requestRunlevel(pick(reboot, byte('6'), byte('0'))) == nil {
			return nil
		}
		return run(ctx, "shutdown", pick(reboot, "-r", "-h"), "now")
	case OpenRC:
		return run(ctx, "openrc-shutdown", pick(reboot, "-r", "-p"), "now")
	case Runit:
		return run(ctx, "init", pick(reboot, "6", "0"))
	case S6:
		return signalInit(ctx, command.StopSignal(init.StopSignal))
	case Unknown:
		if init.Argv != nil {
			return signalInit(ctx, command.StopSignal(init.StopSignal))
		}
	case Agent:
	}
	return run(ctx, pick(reboot, "reboot", "poweroff"))
}

// listenWait is how often it is looked whether PID 1 hears a signal.
const listenWait = 50 * time.Millisecond

// signalInit sends sig to PID 1 once that hears it: the kernel drops what PID 1
// neither catches nor blocks, so one that has only begun would not go down.
func signalInit(ctx context.Context, sig syscall.Signal) error {
	tick := time.NewTicker(listenWait)
	defer tick.Stop()
	for {
		status, err := os.ReadFile("/proc/1/status")
		if err != nil || hears(string(status), sig) {
			return syscall.Kill(1, sig)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("PID 1 does not listen to signal %d: %w", sig, ctx.Err())
		}
	}
}

// hears reads from a process's status (proc(5)) whether it catches sig, or blocks
// it to read it from a signalfd.
func hears(status string, sig syscall.Signal) bool {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		if key != "SigCgt" && key != "SigBlk" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && mask&(1<<(sig-1)) != 0 {
			return true
		}
	}
	return false
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

func run(ctx context.Context, name string, args ...string) error {
	for _, dir := range []string{"/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			out, err := exec.CommandContext(ctx, dir+name, args...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
			}
			return nil
		}
	}
	return fmt.Errorf("the image has no %s", name)
}

// sysvinit's request on /run/initctl: struct init_request of its initreq.h, 384
// bytes.
const (
	initMagic   = 0x03091969
	initRunlvl  = 1
	initReqSize = 384
)

func requestRunlevel(level byte) error {
	f, err := os.OpenFile("/run/initctl", os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	req := make([]byte, initReqSize)
	binary.NativeEndian.PutUint32(req[0:], initMagic)
	binary.NativeEndian.PutUint32(req[4:], initRunlvl)
	binary.NativeEndian.PutUint32(req[8:], uint32(level))
	_, err = f.Write(req)
	return err
}

// GuessDown tells a reboot from a poweroff as well as it can be told once the
// image's init is going down: by what PID 1 has become, or runs.
func GuessDown(flavour Flavour) agentrpc.DownKind {
	switch flavour {
	case Systemd, Sysvinit:
		// systemd-shutdown's argument; sysvinit shows its runlevel as "init [6]".
		data, err := os.ReadFile("/proc/1/cmdline")
		cmdline := string(data)
		if err == nil && (strings.Contains(cmdline, "\x00reboot") || strings.Contains(cmdline, "[6]")) {
			return agentrpc.DownReboot
		}
	case Runit:
		for _, path := range []string{"/run/runit.reboot", "/run/runit/reboot", "/etc/runit/reboot"} {
			if info, err := os.Stat(path); err == nil && info.Mode()&0o100 != 0 {
				return agentrpc.DownReboot
			}
		}
	case OpenRC, Busybox, S6, Agent, Unknown:
		if Running("reboot") {
			return agentrpc.DownReboot
		}
	}
	return agentrpc.DownPoweroff
}

// Running reports whether a process of this name exists, also one that has ended
// and was not waited for.
func Running(name string) bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range entries {
		if c := e.Name()[0]; c < '0' || c > '9' {
			continue
		}
		comm, err := os.ReadFile("/proc/" + e.Name() + "/comm")
		if err == nil && strings.TrimSpace(string(comm)) == name {
			return true
		}
	}
	return false
}
