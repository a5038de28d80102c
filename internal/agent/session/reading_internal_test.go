package session

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatASystemCallWaitsFor(t *testing.T) {
	for text, want := range map[string]string{
		"running": "", "": "", "-1 0x7ffd 0x7f12": "", "x 0x0 0x0": "",
		fmt.Sprintf("%d 0x3 0x7ffd 0x1 0x0 0x0 0x0 0x7ffd 0x7f12\n", unix.SYS_READ): "3",
		fmt.Sprintf("%d 0x0 0x7ffd 0x1", unix.SYS_READV):                            "0",
		fmt.Sprintf("%d 0x1 0x7ffd 0x0", unix.SYS_PSELECT6):                         "0",
		fmt.Sprintf("%d 0x5 0x7ffd 0x0", unix.SYS_PSELECT6):                         "", // of several
		fmt.Sprintf("%d 0x1000 0x1 0x0", unix.SYS_PPOLL):                            "7",
		fmt.Sprintf("%d 0x1000 0x2 0x0", unix.SYS_PPOLL):                            "",
		fmt.Sprintf("%d 0x5 0x7ffd 0x0", unix.SYS_EPOLL_PWAIT):                      "",
	} {
		fd, ok := awaited(text, func(address uint64) (int, bool) { return 7, address == 0x1000 })
		got := ""
		if ok {
			got = fmt.Sprint(fd)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
