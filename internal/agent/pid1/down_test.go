package pid1

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestKindOf(t *testing.T) {
	p := &process{}
	for sig, want := range map[os.Signal]agentrpc.DownKind{
		unix.SIGTERM: agentrpc.DownPoweroff, // no process called reboot is or was there
		unix.SIGUSR1: agentrpc.DownPoweroff, // busybox halt
		unix.SIGUSR2: agentrpc.DownPoweroff, // busybox poweroff
		unix.SIGINT:  agentrpc.DownPoweroff, // ctrl-alt-del
		sigPoweroff:  agentrpc.DownPoweroff,
		sigReboot:    agentrpc.DownReboot,
	} {
		if got := p.kindOf(sig); got != want {
			t.Errorf("%v: %s, want %s", sig, got, want)
		}
	}
}

func TestAMachineThatEndsByResetIsResetToPowerOff(t *testing.T) {
	for resets, want := range map[bool]int{false: unix.LINUX_REBOOT_CMD_POWER_OFF, true: unix.LINUX_REBOOT_CMD_RESTART} {
		p := &process{resets: resets}
		if got := p.rebootCommand(agentrpc.DownPoweroff); got != want {
			t.Errorf("%v: %#x", resets, got)
		}
		if got := p.rebootCommand(agentrpc.DownReboot); got != unix.LINUX_REBOOT_CMD_RESTART {
			t.Errorf("%v: a reboot is %#x", resets, got)
		}
	}
}
