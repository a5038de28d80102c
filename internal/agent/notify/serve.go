// Package notify is `banger-guest notify`: how a program in the guest says whether its
// session works, idles or needs somebody. It has no token to handle: the agent finds
// the session of the process that asks.
package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/pace"
)

const (
	// limit bounds one request, from the connection to the answer.
	limit = 5 * time.Second
	// maxRequest bounds a request, in bytes, and maxAtOnce those at a time.
	maxRequest = 8 << 10
	maxAtOnce  = 16
	// burst and pause bound what is taken.
	burst = 32
	pause = 100 * time.Millisecond
)

// Say hands on what the process with this id says, and returns the ID of its session.
type Say func(pid int, said agentrpc.SessionSaid) (session string, err error)

// Serve takes what programs say on socket until ctx ends. Any user of the guest may.
func Serve(ctx context.Context, socket string, say Say, log *slog.Logger) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	defer func() { _ = l.Close() }()
	turns := pace.New(burst, pause)
	slots := make(chan struct{}, maxAtOnce)
	for turns.Wait(ctx) {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			log.Warn("accept what a program says", "err", err)
			_ = pace.Pause(ctx, pause)
			continue
		}
		slots <- struct{}{} // each leaves within the limit
		go func() {
			defer func() { <-slots }()
			answer(conn, say)
		}()
	}
	return nil
}

func answer(conn *net.UnixConn, say Say) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(limit))
	out := agentrpc.NotifyAnswer{}
	session, err := take(conn, say)
	if out.Session = session; err != nil {
		out.Error = err.Error()
	}
	_ = json.NewEncoder(conn).Encode(out) // whoever asked may be gone
}

func take(conn *net.UnixConn, say Say) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequest)).ReadBytes('\n')
	if err != nil {
		return "", fmt.Errorf("the request has no end within %d bytes", maxRequest)
	}
	var req agentrpc.NotifyRequest
	if err := json.Unmarshal(line, &req); err != nil {
		return "", errors.New("the request is not valid JSON")
	}
	if err := check(req); err != nil {
		return "", err
	}
	pid, err := peer(conn)
	if err != nil {
		return "", err
	}
	text := req.Text
	text = strings.ToValidUTF8(text[:min(len(text), agentrpc.MaxSaid)], "")
	return say(pid, agentrpc.SessionSaid{State: req.State, Why: req.Why, Text: text, At: time.Now().UTC()})
}

// check refuses what cannot be said.
func check(req agentrpc.NotifyRequest) error {
	if !slices.Contains(states(), req.State) {
		return fmt.Errorf("unknown state %.40q: use %s", req.State, strings.Join(states(), ", "))
	}
	if req.Why != "" && !slices.Contains(reasons(), req.Why) {
		return fmt.Errorf("unknown reason %.40q: use %s", req.Why, strings.Join(reasons(), ", "))
	}
	return nil
}

func states() []string { return []string{"working", "idle", "needs-input", "done"} }

func reasons() []string { return []string{"question", "approval", "error"} }

// peer is the process that connected (SO_PEERCRED, unix(7)).
func peer(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) {
		cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if asked != nil {
		return 0, asked
	}
	return int(cred.Pid), nil
}
