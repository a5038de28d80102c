package cli

import (
	"bytes"
	"errors"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// report is what a child that shows the terminal UI says: the bytes reportHeld and
// reportReleased, and then what the Go runtime says of its end.
type report struct {
	held  bool // the terminal UI has the terminal
	trace bytes.Buffer
}

const (
	reportHeld     = '+'
	reportReleased = '-'
)

// Write is part of io.Writer.
func (r *report) Write(p []byte) (int, error) {
	rest := p
	for r.trace.Len() == 0 && len(rest) > 0 && (rest[0] == reportHeld || rest[0] == reportReleased) {
		r.held, rest = rest[0] == reportHeld, rest[1:]
	}
	r.trace.Write(rest[:min(len(rest), maxTrace-r.trace.Len())])
	return len(p), nil
}

// clean reports whether the child gave the terminal back itself.
func (r *report) clean() bool { return !r.held && r.trace.Len() == 0 }

// failure is why a child ended that was not clean.
func (r *report) failure(ended *os.ProcessState) error {
	first, _, _ := strings.Cut(r.trace.String(), "\n")
	status, _ := ended.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return &statusError{status: 128 + int(status.Signal()), cause: fault.New(fault.Internal, "the terminal UI was ended by %s", unix.SignalName(status.Signal()))}
	case strings.HasPrefix(first, "SIGQUIT"):
		return &statusError{status: 128 + int(syscall.SIGQUIT), cause: errors.New("the terminal UI was ended by SIGQUIT")}
	case first == "": // it was interrupted twice
		return &statusError{status: ended.ExitCode()}
	}
	return fault.New(fault.Internal, "a bug in banger ended the terminal UI: %s", plain.Line(first, maxReason))
}

// reporter is the child's end of a report.
type reporter struct{ to *os.File }

// reportAt begins the report at fd. What the Go runtime says of a crash goes there, too.
func reportAt(fd int) (reporter, error) {
	unix.CloseOnExec(fd) // what the child starts must not keep it open
	to := os.NewFile(uintptr(fd), "report")
	return reporter{to}, debug.SetCrashOutput(to, debug.CrashOptions{})
}

// held says that the terminal UI has the terminal. A parent that is gone hears nothing.
func (r reporter) held() { _, _ = r.to.Write([]byte{reportHeld}) }

// released says that it has not.
func (r reporter) released() { _, _ = r.to.Write([]byte{reportReleased}) }
