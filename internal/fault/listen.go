package fault

import (
	"errors"
	"strings"
	"syscall"
)

// CannotListen is the fault for err, which kept something from listening on the
// host at place: an address with its port, or the path of a Unix socket. It is
// Conflict where another listens there, PermissionDenied, Invalid where the host has
// no such address or directory, and else Unavailable. An err that is a fault stays.
func CannotListen(err error, place string) error {
	isPath := strings.HasPrefix(place, "/")
	switch {
	case CodeOf(err) != Internal:
		return err
	case errors.Is(err, syscall.EADDRINUSE):
		return Wrap(Conflict, err, "%s is already in use on the host", place).
			WithHint("choose another; `ss -lnp` shows what uses this one")
	case (errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)) && isPath:
		return Wrap(PermissionDenied, err, "the host does not let you listen at %s", place).
			WithHint("choose a directory that you can write to")
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return Wrap(PermissionDenied, err, "the host does not let you listen at %s", place).
			WithHint("choose a port from 1024 on")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return Wrap(Invalid, err, "the host has no address for %s", place).
			WithHint("choose one of the addresses that `ip address` shows")
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return Wrap(Invalid, err, "cannot listen at %s", place).WithHint("create its directory")
	default:
		return Wrap(Unavailable, err, "cannot listen at %s", place).WithHint("choose another")
	}
}
