// Package child runs programs that end with this process, however it ends.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Run is cmd.Run, but the kernel kills the program (SIGKILL) when this process dies.
// What the program itself has started may live a little longer.
func Run(cmd *exec.Cmd) error {
	ended, err := Start(cmd)
	if err != nil {
		return err
	}
	return <-ended
}

// Start is cmd.Start, for a program that dies as one of Run does. The channel gets the
// result of cmd.Wait, once; nobody else may call that.
func Start(cmd *exec.Cmd) (ended <-chan error, err error) {
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
