package confine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// NoNamespaces reports whether a start failed because this host gives ordinary
// users no user or network namespace, or none to start in another control group.
func NoNamespaces(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.ENOSPC, syscall.ENOSYS, syscall.EUSERS,
		syscall.ENOENT, syscall.ENODEV, syscall.EBUSY, syscall.EOPNOTSUPP,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// HasNamespaces reports whether this host gives this user namespaces: it runs a
// program, which does nothing, in them.
func HasNamespaces(ctx context.Context) bool { return tryNamespaces(ctx, 0) == nil }

// TryCapableNamespaces returns nil if this host also gives this user capabilities in
// them. AppArmor can refuse these alone.
func TryCapableNamespaces(ctx context.Context) error {
	return tryNamespaces(ctx, syscall.CLONE_NEWUTS) // it takes a capability
}

// tryNamespaces runs a program in them that has unshared others.
func tryNamespaces(ctx context.Context, unshare uintptr) error {
	path, err := exec.LookPath("true")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unshare}
	Namespaces(cmd.SysProcAttr, os.Getuid())
	return cmd.Run()
}

// Environment is what of environ a program gets that is given only variables
// with these names; a name that ends in * stands for all that begin so.
func Environment(environ []string, names ...string) []string {
	kept := []string{}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		for _, want := range names {
			prefix, open := strings.CutSuffix(want, "*")
			if name == want || open && strings.HasPrefix(name, prefix) {
				kept = append(kept, pair)
				break
			}
		}
	}
	return kept
}
