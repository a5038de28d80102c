package fault_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestWhyAHostCannotListen(t *testing.T) {
	for _, test := range []struct {
		cause error
		place string
		want  fault.Code
		hint  string
	}{
		{syscall.EADDRINUSE, "127.0.0.1:80/tcp", fault.Conflict, "choose another; `ss -lnp` shows what uses this one"},
		{syscall.EACCES, "127.0.0.1:80/tcp", fault.PermissionDenied, "choose a port from 1024 on"},
		{syscall.EACCES, "/root/x", fault.PermissionDenied, "choose a directory that you can write to"},
		{syscall.EADDRNOTAVAIL, "192.0.2.1:80/tcp", fault.Invalid, "choose one of the addresses that `ip address` shows"},
		{syscall.ENOENT, "/none/x", fault.Invalid, "create its directory"},
		{syscall.EMFILE, "127.0.0.1:80/tcp", fault.Unavailable, "choose another"},
	} {
		err := fault.CannotListen(fmt.Errorf("listen: %w", test.cause), test.place)
		if fault.CodeOf(err) != test.want || fault.HintOf(err).String() != test.hint || !errors.Is(err, test.cause) {
			t.Errorf("%v at %s gave %v, hint %q", test.cause, test.place, err, fault.HintOf(err))
		}
	}
	if own := fault.New(fault.Conflict, "not a socket"); !errors.Is(fault.CannotListen(own, "/x"), own) {
		t.Error("a fault did not stay")
	}
}
