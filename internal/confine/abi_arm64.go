package confine

import "golang.org/x/sys/unix"

// abi is this architecture for seccomp; it has one ABI.
func abi() (arch, x32 uint32) { return unix.AUDIT_ARCH_AARCH64, 0 }
