package cli

import (
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/tui"
)

// The terminal UI is a child of the banger that was typed. Whatever ends it, a panic in a
// library's goroutine or SIGKILL, the shell gets the terminal back only from its parent, which
// has put it in order by then.

const (
	// reportFlag names the descriptor of the child's report. It is not for users.
	reportFlag = "report-fd"
	// reportFD is the first that exec.Cmd.ExtraFiles makes.
	reportFD = 3
	// maxTrace bounds what is kept of a child's last words, in bytes.
	maxTrace = 64 << 10
	// maxReason bounds the first of them, which says why it ended, in bytes.
	maxReason = 512
	// lastWords bounds the wait for them.
	lastWords = time.Second
)

// tuiParent runs the terminal UI in a child, and gives the terminal back where that could not.
func (a *App) tuiParent(ctx context.Context, tab string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	a.signals.outlive()
	return a.parent(ctx, exec.Command(self, "tui", "--tab", tab, "--"+reportFlag, strconv.Itoa(reportFD))) //nolint:noctx // signals are passed on, so that it tidies up
}

// parent runs cmd, which reports at reportFD, as the owner of the terminal.
func (a *App) parent(ctx context.Context, cmd *exec.Cmd) error {
	before, err := term.GetState(int(a.In.Fd()))
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = a.In, a.Out, a.Err, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread() // the signal comes when this thread ends
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		return err
	}
	defer a.passSignals(ctx, cmd.Process)()
	report := &report{}
	told := make(chan struct{})
	go func() {
		defer close(told)
		_, _ = io.Copy(report, read) // its end is the child's
	}()
	err = cmd.Wait()
	if cmd.ProcessState == nil {
		return err
	}
	_ = read.SetReadDeadline(time.Now().Add(lastWords))
	<-told
	if report.clean() && cmd.ProcessState.Exited() {
		if status := cmd.ProcessState.ExitCode(); status != 0 {
			return &statusError{status: status} // it said why
		}
		return nil
	}
	a.giveBack(before, report)
	return report.failure(cmd.ProcessState)
}

// passSignals sends the child what this process is sent, until release is called.
func (a *App) passSignals(ctx context.Context, child *os.Process) (release func()) {
	pass := func(sig os.Signal) { _ = child.Signal(sig) } // one that has ended needs none
	undivert := a.signals.divert(pass)
	if ctx.Err() != nil {
		pass(syscall.SIGTERM)
	}
	quits := make(chan os.Signal, 1)
	signal.Notify(quits, syscall.SIGQUIT)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-quits:
				pass(sig)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(quits)
		close(done)
		undivert()
	}
}

// giveBack puts the terminal in order, unless the shell has it already: of a child that was
// killed while it was suspended.
func (a *App) giveBack(before *term.State, report *report) {
	in := int(a.In.Fd())
	if group, err := unix.IoctlGetInt(in, unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
		return
	}
	if report.held {
		_, _ = io.WriteString(a.Out, tui.GiveBack) // as for Restore
	}
	_ = term.Restore(in, before) // a terminal that is gone needs nothing
	if trace := strings.TrimSpace(report.trace.String()); trace != "" && report.held && isTerminal(a.Err) {
		a.say(plain.Lines(trace, maxTrace)) // it was on the alternate screen
	}
}
