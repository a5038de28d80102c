// Package vmlinux gets uncompressed kernels out of the files that
// distributions ship.
package vmlinux
