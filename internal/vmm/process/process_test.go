package process

import (
	"syscall"
	"testing"
)

func TestProcessSaysHowItEnded(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"exit 0", ""},
		{"echo 'qemu-system-x86_64: -m: no memory' >&2; exit 1", "QEMU: exit status 1: -m: no memory"},
		{"kill -KILL $$", "QEMU: killed by SIGKILL"},
	} {
		p, err := Start(Command{Name: "QEMU", Self: "qemu-", Program: "/bin/sh", Args: []string{"-c", tt.script}, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Exited
		if got := p.Failure(); got != tt.want {
			t.Errorf("%s: %q; want %q", tt.script, got, tt.want)
		}
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("signal after the end: %v", err)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	var said tail
	for range 1000 {
		_, _ = said.Write([]byte("a line of QEMU's\n"))
	}
	if len(said.buf) > maxSaid || said.last("qemu-") != "a line of QEMU's" {
		t.Errorf("%d bytes, last %q", len(said.buf), said.last("qemu-"))
	}
}
