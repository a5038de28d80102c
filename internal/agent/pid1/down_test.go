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
