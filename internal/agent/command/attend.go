package command

import (
	"errors"
	"sync"
	"syscall"
	"time"
)

const (
	// EOT is ^D, a terminal's end of file.
	EOT = 4
	// hangUpGrace is how long a command that hung up may live on.
	hangUpGrace = 5 * time.Second
)

// Copies are what goes on beside a command.
type Copies struct {
	// Out passes on what the command writes, to its stdout or terminal (0) or to
	// its stderr (1), until o's end. It is called in a goroutine for each.
	Out func(i int, o *Output)
	// In feeds the command's input, in a goroutine, until Ended is called. It may
	// be nil.
	In func()
	// Ended is called when the command has ended, before the rest of what it wrote
	// is read. It may be nil.
	Ended func()
}

// Attend waits for a command that Start started with these files, and for its
// copies. It returns how the command ended, as Wait does; its status is that of
// a command that could not run if err is not nil. The caller then calls Release.
func (f *Files) Attend(p *Process, c Copies) (status int, signal syscall.Signal, err error) {
	var copies sync.WaitGroup
	outputs := f.outputs()
	for i, o := range outputs {
		copies.Go(func() { c.Out(i, o) })
	}
	if c.In != nil {
		copies.Go(c.In)
	}
	status, signal, err = p.Wait()
	if err != nil {
		status = StatusCannotRun
	}
	if c.Ended != nil {
		c.Ended()
	}
	for _, o := range outputs {
		o.finish()
	}
	copies.Wait()
	return status, signal, err
}

// HangUp ends a command that nobody attends any more: with SIGHUP, and SIGKILL
// after five seconds. It returns when the command has ended or is killed.
func (p *Process) HangUp() {
	if p.Signal(syscall.SIGHUP) != nil {
		return
	}
	timer := time.NewTimer(hangUpGrace)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
		_ = p.Signal(syscall.SIGKILL)
	}
}

// StatusOf is a shell's exit status for a command that did not start because of err.
func StatusOf(err error) int {
	if se, ok := errors.AsType[*StartError](err); ok {
		return se.Status
	}
	return StatusCannotRun
}
