package pid1

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// tellLimit is how long the host may take to hear of it.
	tellLimit = 500 * time.Millisecond
	// termLimit is how long processes may take to end by themselves, killLimit
	// what the kernel may take to end them.
	termLimit = 5 * time.Second
	killLimit = 2 * time.Second

	sigPoweroff = unix.Signal(34 + 4) // as systemd(1) has them
	sigReboot   = unix.Signal(34 + 5)
)

// downSignals are the ways of being told to go down: by kill, ctrl-alt-del,
// busybox's halt and poweroff, and as systemd is told.
func downSignals() []os.Signal {
	return []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPWR, sigPoweroff, sigReboot}
}

// justNow is how long ago a process may have ended that sent a signal.
const justNow = 5 * time.Second

// kindOf says what a signal asks for. busybox's reboot sends SIGTERM, as does
// anybody who just wants the machine to end: then there is, or just was, such a
// process.
func (p *process) kindOf(sig os.Signal) agentrpc.DownKind {
	switch {
	case sig == sigReboot,
		sig == unix.SIGTERM && (inits.Running("reboot") || p.exits.has("reboot", time.Now().Add(-justNow))):
		return agentrpc.DownReboot
	default:
		return agentrpc.DownPoweroff
	}
}

// goDown takes the machine down. It does not return.
func (p *process) goDown(kind agentrpc.DownKind) {
	p.log.Info("going down", "kind", string(kind))
	p.exits.stop()
	p.tellGoingDown(kind)
	p.respawn = nil
	p.agent = 0
	_ = unix.Kill(-1, unix.SIGTERM)
	if p.awaitNone(termLimit) {
		_ = unix.Kill(-1, unix.SIGKILL)
		p.awaitNone(killLimit)
	}
	p.quiesce()
	if err := unix.Reboot(p.rebootCommand(kind)); err != nil {
		p.log.Error("going down", "err", err)
	}
	select {}
}

// rebootCommand is what reboot(2) is asked for.
func (p *process) rebootCommand(kind agentrpc.DownKind) int {
	if kind == agentrpc.DownReboot || p.resets {
		return unix.LINUX_REBOOT_CMD_RESTART
	}
	return unix.LINUX_REBOOT_CMD_POWER_OFF
}

func (p *process) tellGoingDown(kind agentrpc.DownKind) {
	if p.agent == 0 {
		return
	}
	p.tell(Notice{GoingDown: kind})
	limit := time.After(tellLimit)
	for {
		select {
		case req := <-p.requests:
			if req.Told {
				return
			}
		case <-limit:
			return
		}
	}
}

// awaitNone reaps until there is no process left, and reports whether some are
// after limit.
func (p *process) awaitNone(limit time.Duration) (left bool) {
	end := time.After(limit)
	for p.reap() {
		select {
		case <-p.signals:
		case <-p.requests:
		case <-end:
			return true
		}
	}
	return false
}

// quiesce makes the disks whole: what is mounted goes, the root and the VM's
// disk become read-only.
func (p *process) quiesce() {
	unix.Sync()
	for _, m := range slices.Backward(mounts()) {
		if m != "/" && m != "/proc" && m != "/dev" {
			_ = unix.Unmount(m, unix.UMOUNT_NOFOLLOW) // busy: read-only below is enough
		}
	}
	if p.disk == nil {
		return
	}
	disk := "/proc/self/fd/" + strconv.Itoa(int(p.disk.Fd()))
	for _, target := range []string{"/", disk} {
		if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			p.log.Warn("cannot make a filesystem read-only; its journal will recover it", "at", target, "err", err)
		}
	}
}

func mounts() []string {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var paths []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if fields := strings.Fields(scan.Text()); len(fields) > 1 {
			paths = append(paths, unescape.Replace(fields[1]))
		}
	}
	return paths
}
