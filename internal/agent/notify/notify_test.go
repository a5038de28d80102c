package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agent/notify"
	"github.com/bangervm/banger/internal/agentrpc"
)

// listener takes what is said on a socket of the test's own.
type listener struct {
	socket string
	mu     sync.Mutex
	said   []agentrpc.SessionSaid
	pids   []int
	err    error
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{socket: fmt.Sprintf("@banger-test-%d-%s", os.Getpid(), t.Name())}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- notify.Serve(ctx, l.socket, l.say, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t)
	})
	for range 1000 { // until it listens
		if conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", l.socket); err == nil {
			_ = conn.Close()
			return l
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // what is waited for has no other sign
	}
	t.Fatal("it does not listen")
	return nil
}

func (l *listener) say(pid int, said agentrpc.SessionSaid) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said, l.pids = append(l.said, said), append(l.pids, pid)
	return "0123456789abcdef", l.err
}

func (l *listener) run(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = notify.Command(context.Background(), l.socket, args, &out, &err)
	return status, out.String(), err.String()
}

func TestWhatAProgramSaysArrives(t *testing.T) {
	l := listen(t)
	for _, args := range [][]string{
		{"notify", "which", "branch?"},
		{"notify", "--state", "needs-input", "--why=approval", "may I?"},
		{"notify", "may I?", "--why", "approval"},
		{"notify", "-state=working"},
		{"notify", "--state", "done", strings.Repeat("x", 1<<20)},
	} {
		if status, _, stderr := l.run(args...); status != 0 {
			t.Fatalf("%.40q: %d %s", args, status, stderr)
		}
	}
	var got []string
	for i, s := range l.said {
		got = append(got, fmt.Sprintf("%s/%s/%.20s", s.State, s.Why, s.Text))
		if s.At.IsZero() || l.pids[i] != os.Getpid() || len(s.Text) > 512 {
			t.Errorf("%+v of %d", s, l.pids[i])
		}
	}
	want := "needs-input//which branch?; needs-input/approval/may I?; needs-input/approval/may I?; working//; done//" + strings.Repeat("x", 20)
	if all := strings.Join(got, "; "); all != want {
		t.Errorf("got  %s\nwant %s", all, want)
	}
}

func TestWhatCannotBeSaid(t *testing.T) {
	l := listen(t)
	for name, c := range map[string]struct {
		args   []string
		status int
		said   string
	}{
		"no verb":        {nil, 2, "Usage:"},
		"another verb":   {[]string{"exec"}, 2, "Usage:"},
		"unknown state":  {[]string{"notify", "--state", "sad"}, 2, `unknown state "sad": use working, idle, needs-input, done`},
		"unknown reason": {[]string{"notify", "--why", "x"}, 2, `unknown reason "x": use question, approval, error`},
		"unknown flag":   {[]string{"notify", "--nope"}, 2, "nope"},
	} {
		if status, _, stderr := l.run(c.args...); status != c.status || !strings.Contains(stderr, c.said) {
			t.Errorf("%s: %d %s", name, status, stderr)
		}
	}
	for _, args := range [][]string{{"--help"}, {"notify", "--help"}, {"notify", "-h"}} {
		if status, stdout, _ := l.run(args...); status != 0 || !strings.Contains(stdout, "--why") {
			t.Errorf("%q: %d %s", args, status, stdout)
		}
	}
	l.err = errors.New("this process is not in a session of banger")
	if status, _, stderr := l.run("notify", "x"); status != 1 || !strings.Contains(stderr, "not in a session") {
		t.Errorf("outside of a session: %d %s", status, stderr)
	}
	l.socket += "-none"
	if status, _, stderr := l.run("notify", "x"); status != 1 || !strings.Contains(stderr, "cannot reach the agent") {
		t.Errorf("without an agent: %d %s", status, stderr)
	}
}

func TestHostileRequests(t *testing.T) {
	l := listen(t)
	for name, c := range map[string]struct{ request, answer string }{
		"endless":   {strings.Repeat("x", 1<<20), "no end within"},
		"no JSON":   {"{\n", "not valid JSON"},
		"bad state": {`{"state":"\u001b[2J"}` + "\n", "unknown state"},
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", l.socket)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, c.request) }() // it may not take all
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		answer, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !strings.Contains(string(answer), c.answer) && name != "endless" || strings.Contains(string(answer), "\x1b") {
			t.Errorf("%s: %q", name, answer)
		}
	}
	if len(l.said) != 0 {
		t.Errorf("taken: %+v", l.said)
	}
}
