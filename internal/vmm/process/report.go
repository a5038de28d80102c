package process

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/tap"
)

// reportLimit bounds the wait for what the step before the VMM says.
const reportLimit = 20 * time.Second

// errNoTAP means that the step before the VMM ended without a TAP device.
var errNoTAP = errors.New("no TAP device")

// reportSocket is what the step before the VMM says it by; the caller closes both ends.
func reportSocket() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	file := os.NewFile(uintptr(fds[0]), "report")
	theirs = os.NewFile(uintptr(fds[1]), "report")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("use a socket pair: %w", err)
	}
	ours, ok := conn.(*net.UnixConn)
	if !ok {
		_, _ = conn.Close(), theirs.Close()
		return nil, nil, errors.New("a socket pair is no Unix socket")
	}
	return ours, theirs, nil
}

// read takes what the step before the VMM says. Without a report the VMM's end tells
// what failed.
func (p *Process) read(from *net.UnixConn, plan confine.Plan) error {
	_ = from.SetReadDeadline(time.Now().Add(reportLimit))
	report, frames, err := confine.ReadReport(from)
	p.confinement = report
	if plan.TAP == nil {
		return nil
	}
	if errors.Is(err, io.EOF) || err == nil && frames < 0 {
		return errNoTAP
	}
	if err != nil {
		return err
	}
	nic, err := tap.Open(frames)
	if err != nil {
		return err
	}
	p.nic = nic
	go func() {
		<-p.Exited
		_ = nic.Close()
	}()
	return nil
}

// NIC are the frames at Plan.TAP, from the first one on, each behind its length in four
// bytes, big-endian; nil without a TAP. The caller closes it; so does the VMM's end.
func (p *Process) NIC() net.Conn {
	if p.nic == nil {
		return nil
	}
	return p.nic
}

// abandon ends a VMM that cannot be used, and says why: a step that ended before the VMM
// has said what failed.
func (p *Process) abandon(cause error) error {
	_ = p.Signal(syscall.SIGKILL)
	<-p.Exited
	if why := p.Failure(); why != "" && errors.Is(cause, errNoTAP) {
		return fault.New(fault.Unavailable, "%s", why)
	}
	return cause
}
