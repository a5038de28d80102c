package inits

import (
	"syscall"
	"testing"
)

func TestASignalIsForOneWhoHearsIt(t *testing.T) {
	const usr2, poweroff = syscall.SIGUSR2, syscall.Signal(38)
	for _, tt := range []struct {
		status string
		sig    syscall.Signal
		want   bool
	}{
		{"Name:\tsystemd\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n", poweroff, false},
		{"SigBlk:\t7be3c0fe28014a03\nSigCgt:\t00000000000004ec\n", poweroff, true}, // systemd, with its signalfd
		{"SigBlk:\t0000000000000000\nSigCgt:\t0000000000000800\n", usr2, true},
		{"SigBlk:\t0000000000000000\nSigIgn:\t0000000000000800\nSigCgt:\t0000000000000400\n", usr2, false},
		{"SigBlk:\tnonsense\nSigCgt\n", usr2, false},
	} {
		if got := hears(tt.status, tt.sig); got != tt.want {
			t.Errorf("signal %d with %q: %v", tt.sig, tt.status, got)
		}
	}
}
