// Package peertest lets a test act as another user of the host.
package peertest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Stranger is the uid as which AsStranger acts: no account has it.
const Stranger = 64217

// AsStranger calls f on a thread of another user, Stranger: what f opens,
// connects to and listens on is that user's. Goroutines that f starts are not.
// Only root can do that: elsewhere the test skips, with the reason.
func AsStranger(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal("only root can act as another user")
		}
		t.Skip("only root can act as another user")
	}
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		defer close(failed)
		// The raw calls change this thread alone.
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(call, Stranger, Stranger, Stranger); errno != 0 {
				failed <- errno
				return
			}
		}
		f()
	}()
	if err := <-failed; err != nil {
		t.Fatalf("act as user %d: %v", Stranger, err)
	}
}
