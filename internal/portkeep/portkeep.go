// Package portkeep keeps ports that a daemon listens on from one daemon to the next: a
// process that does nothing else has them meanwhile, so that no other program can take them.
package portkeep

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/child"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	// Verb is the argument by which an executable is the keeper: see Command.
	Verb = "keep-port"
	// Life is how long the ports are kept once the daemon has ended.
	Life = 10 * time.Second

	maxPorts  = 4
	maxNote   = 128
	takeLimit = 5 * time.Second
	// The keeper's descriptors: its socket, a pipe that closes when the daemon has ended, and
	// the ports.
	socketFD, pipeFD, portsFD = 3, 4, 5
)

// Start starts a keeper of the listeners, which the next daemon asks for at socket. It has
// them until Life after this process has ended. note is what the next daemon is told
// with them, at most 128 bytes.
func Start(socket, note string, listeners ...net.Listener) error {
	if len(listeners) > maxPorts || len(note) > maxNote {
		return fmt.Errorf("%d ports with a note of %d bytes are too much to keep", len(listeners), len(note))
	}
	at, err := statedir.ListenUnix(socket)
	if err != nil {
		return err
	}
	defer func() { _ = at.Close() }()
	files, err := filesOf(append([]net.Listener{at.UnixListener}, listeners...))
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if err != nil {
		return err
	}
	var pipe [2]int // its second end is open until this process ends
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	files = slices.Insert(files, pipeFD-socketFD, os.NewFile(uintptr(pipe[0]), "pipe"))
	child.GiveOnly()
	cmd := exec.Command("/proc/self/exe", Verb, socket, note, strconv.Itoa(len(listeners))) //nolint:noctx // it outlives this process
	cmd.Args[0], cmd.Dir, cmd.Env, cmd.ExtraFiles = "bangerd", "/", []string{}, files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, unix.Close(pipe[1]))
	}
	return cmd.Process.Release()
}

// filesOf are copies of the listeners' descriptors, which the caller closes, also of an error.
func filesOf(listeners []net.Listener) (files []*os.File, err error) {
	for _, l := range listeners {
		of, ok := l.(interface{ File() (*os.File, error) })
		if !ok {
			return files, fmt.Errorf("%T has no descriptor", l)
		}
		f, err := of.File()
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}

// Take returns the listeners that a keeper at socket has, and its note. The keeper ends. The
// error says that there is none. The caller closes the listeners.
func Take(ctx context.Context, socket string) (note string, listeners []net.Listener, err error) {
	ctx, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	conn, err := statedir.DialUnix(ctx, socket)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = conn.Close() }()
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return "", nil, fmt.Errorf("%T passes no descriptors", conn)
	}
	if err := unixConn.SetDeadline(time.Now().Add(takeLimit)); err != nil {
		return "", nil, err
	}
	told, rights := make([]byte, maxNote), make([]byte, unix.CmsgSpace(4*maxPorts))
	n, nRights, _, _, err := unixConn.ReadMsgUnix(told, rights)
	if err != nil {
		return "", nil, err
	}
	listeners, err = listenersIn(rights[:nRights])
	return string(told[:n]), listeners, err
}

// listenersIn are those whose descriptors came in a message.
func listenersIn(rights []byte) (listeners []net.Listener, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		errs = append(errs, err)
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			f := os.NewFile(uintptr(fd), "port")
			l, err := net.FileListener(f)
			errs = append(errs, err, f.Close())
			if err == nil {
				listeners = append(listeners, l)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		for _, l := range listeners {
			_ = l.Close()
		}
		return nil, err
	}
	return listeners, nil
}
