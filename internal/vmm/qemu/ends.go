package qemu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/bangervm/banger/internal/statedir"
)

// ends are the two sides of QEMU's control socket, agent port, console and NIC.
type ends struct {
	qmp, console net.Conn
	nic          net.Conn // nil without one; its owner closes it
	agent        string   // the path of the agent port's socket
	theirs       []*os.File
}

// openEnds makes them before QEMU runs, so that nothing has to wait for it.
func openEnds(agentPath string, nic bool) (*ends, error) {
	e := &ends{agent: agentPath}
	listener, err := statedir.ListenUnix(agentPath)
	if err != nil {
		return nil, fmt.Errorf("listen for the agent's port: %w", err)
	}
	agent, err := listener.File()
	if err := errors.Join(err, listener.Close()); err != nil {
		return nil, fmt.Errorf("pass on the agent's port: %w", err)
	}
	conns := []*net.Conn{&e.qmp, &e.console}
	if nic {
		conns = append(conns, &e.nic)
	}
	for _, conn := range conns {
		var their *os.File
		if *conn, their, err = socketPair(); err != nil {
			_ = agent.Close()
			e.closeTheirs()
			e.closeOurs()
			return nil, err
		}
		e.theirs = append(e.theirs, their)
	}
	e.theirs = slices.Insert(e.theirs, fdAgent-fdQMP, agent)
	return e, nil
}

func (e *ends) dialAgent(ctx context.Context) (net.Conn, error) {
	return statedir.DialUnix(ctx, e.agent)
}

func (e *ends) closeTheirs() {
	for _, f := range e.theirs {
		_ = f.Close()
	}
}

func (e *ends) closeOurs() {
	for _, c := range []net.Conn{e.qmp, e.console} {
		if c != nil {
			_ = c.Close()
		}
	}
}

func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("use a socket pair: %w", err)
	}
	return conn, theirs, nil
}
