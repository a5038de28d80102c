package portkeep

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/statedir"
)

const byHand = "bangerd starts this itself, to keep its ports for the next bangerd"

// Command is `bangerd keep-port SOCKET NOTE COUNT`, which Start runs: it gives the ports to
// the first process of this user that asks at the socket, and ends. It returns the exit status.
func Command(args []string, stderr io.Writer) int {
	at, fds := inherited(args)
	if at == nil {
		_, _ = fmt.Fprintln(stderr, byHand)
		return 2
	}
	return keep(at, os.NewFile(pipeFD, "pipe"), fds, args[0], args[1])
}

// inherited are the socket and the ports that Start gave; nil: it did not start this.
func inherited(args []string) (at *net.UnixListener, fds []int) {
	if len(args) != 3 {
		return nil, nil
	}
	f := os.NewFile(socketFD, "socket")
	defer func() { _ = f.Close() }()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, nil
	}
	at, _ = l.(*net.UnixListener)
	if fds = ports(args[2]); fds == nil {
		return nil, nil
	}
	return at, fds
}

// ports are the descriptors that this process got besides; nil: not that many.
func ports(count string) (fds []int) {
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxPorts {
		return nil
	}
	for fd := portsFD; fd < portsFD+n; fd++ {
		fds = append(fds, fd)
	}
	return fds
}

// keep waits for who takes the ports, until Life after the pipe's other end is closed.
func keep(at *net.UnixListener, daemon io.Reader, fds []int, socket, note string) int {
	at.SetUnlinkOnClose(false)
	own := statedir.OwnOnly(at)
	go afterEnd(daemon, func(t time.Time) { _ = at.SetDeadline(t) })
	conn, err := own.AcceptUnix()
	_ = os.Remove(socket)
	if err != nil {
		return 1
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(takeLimit))
	if _, _, err := conn.WriteMsgUnix([]byte(note), unix.UnixRights(fds...), nil); err != nil {
		return 1
	}
	return 0
}

// afterEnd waits for the daemon's end, and then says how long the ports are kept.
func afterEnd(daemon io.Reader, until func(time.Time)) {
	_, _ = io.Copy(io.Discard, daemon)
	until(time.Now().Add(Life))
}
