package confine

import "golang.org/x/sys/unix"

// abi is this architecture for seccomp, and from which number on system calls
// are of another ABI.
func abi() (arch, x32 uint32) { return unix.AUDIT_ARCH_X86_64, 0x40000000 }
