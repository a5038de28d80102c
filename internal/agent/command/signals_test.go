package command

import (
	"syscall"
	"testing"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "SIGQUIT": syscall.SIGQUIT, "sigusr1": syscall.SIGUSR1, "10": syscall.SIGUSR1,
		"SIGRTMIN+3": 37, "RTMIN": 34, "SIGRTMAX-1": 63, "64": 64,
		"": 0, "0": 0, "65": 0, "-9": 0, "RTMIN+31": 0, "RTMIN-1": 0, "RTMAX+1": 0, "RTMAX-99": 0, "NOSUCH": 0, "SIG": 0,
	} {
		if got := ParseSignal(text); got != want {
			t.Errorf("%q is signal %d, want %d", text, got, want)
		}
	}
}
