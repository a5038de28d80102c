//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// figure begins what a script measured, which is printed also when it passes.
const figure = "figure: "

// cmdAppears has the probe's opener, whose control port is at ADDR:CONTROL, open
// ports of the guest N times, also in place of one another, and prints the longest
// times until the host reached each and until it was gone. A time is from before
// the guest was asked, and begins just after the guest has looked: at its worst.
// It is only printed, as the machine may be busy.
func cmdAppears(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 3, "appears ADDR CONTROL N")
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), scaled(2*time.Minute))
	defer cancel()
	control, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(args[0], args[1]))
	ts.Check(err)
	defer func() { _ = control.Close() }()
	answers := bufio.NewReader(control)
	ask := func(format string, args ...any) time.Time {
		asked := time.Now()
		_, err := fmt.Fprintf(control, format+"\n", args...)
		ts.Check(err)
		_, err = answers.ReadString('\n')
		ts.Check(err)
		return asked
	}
	longest := map[string]time.Duration{}
	await := func(what string, port int, there bool, since time.Time) {
		addr := net.JoinHostPort(args[0], strconv.Itoa(port))
		done := func() bool { return greeted(ctx, addr, port) }
		if !there {
			done = func() bool { return refused(ctx, addr) }
		}
		for !done() {
			if ctx.Err() != nil {
				ts.Fatalf("%s: port %d: not within the time of the test", what, port)
			}
			<-time.After(5 * time.Millisecond)
		}
		took := time.Since(since)
		ts.Logf("%s: port %d after %d ms", what, port, took.Milliseconds())
		longest[what] = max(longest[what], took)
	}
	for i := range n {
		port := 9000 + 2*i
		await("opened", port, true, ask("open :%d", port))
		await("replaced", port+1, true, ask("open :%d", port+1))
		await("closed", port+1, false, ask("close"))
	}
	for _, what := range []string{"opened", "replaced", "closed"} {
		ts.Logf(figure+"%s: %d times, the longest %d ms", what, n, longest[what].Milliseconds())
	}
}

// refused reports whether nothing listens at addr.
func refused(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// greeted reports whether the opener answers at addr for this port.
func greeted(ctx context.Context, addr string, port int) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return false
	}
	text, _ := io.ReadAll(io.LimitReader(conn, 1<<10)) // an empty one is no greeting
	return strings.HasSuffix(string(text), ":"+strconv.Itoa(port))
}
