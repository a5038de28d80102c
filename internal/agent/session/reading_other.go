//go:build !amd64

package session

// sysPoll is no system call here: there is ppoll only.
const sysPoll = 1<<32 - 1
