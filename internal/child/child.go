// Package child runs programs that end with this process, however it ends, and that get no
// descriptors but those that they are given.
package child

import (
	"math"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxDescriptors bounds those that are looked at one by one.
const maxDescriptors = 1 << 16

// GiveOnly has the programs that this process starts from now on get no descriptors but their
// standard streams and those of ExtraFiles. Without it they also get what this process got
// from the program that started it, such as a shell's open files.
func GiveOnly() {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Before Linux 5.11. A process that may not be debugged cannot list its descriptors.
	most := syscall.Rlimit{Cur: maxDescriptors}
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most) // it is as given then
	for fd := 3; fd < int(min(most.Cur, maxDescriptors)); fd++ {
		syscall.CloseOnExec(fd)
	}
}

// Run is cmd.Run, but the kernel kills the program (SIGKILL) when this process dies.
// What the program itself has started may live a little longer.
func Run(cmd *exec.Cmd) error {
	ended, err := Start(cmd)
	if err != nil {
		return err
	}
	return <-ended
}

// Start is cmd.Start, for a program that dies as one of Run does, and after GiveOnly. The
// channel gets the result of cmd.Wait, once; nobody else may call that.
func Start(cmd *exec.Cmd) (ended <-chan error, err error) {
	GiveOnly()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started, waited := make(chan error), make(chan error, 1)
	// The signal goes by the thread that forked, so that thread waits here for the
	// program's end and does nothing else.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			waited <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return waited, nil
}
