package entrypoint

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is what was written, and tells when there is some.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	some chan struct{}
	once sync.Once
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.once.Do(func() { close(l.some) })
	return l.text.Write(p)
}

func me(t *testing.T) account.Account {
	t.Helper()
	a, err := account.Lookup("/", strconv.Itoa(os.Getuid())+":"+strconv.Itoa(os.Getgid()))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func spec(t *testing.T, script string) command.Spec {
	t.Helper()
	return command.Spec{Argv: []string{"sh", "-c", script}, Dir: "/", User: me(t), Env: []string{"PATH=" + command.DefaultPath}}
}

func TestRunPassesLinesOnAndReturnsTheStatus(t *testing.T) {
	out := &lines{some: make(chan struct{})}
	status, err := Run(t.Context(), spec(t, "echo out; printf 'no end' >&2; exit 3"), syscall.SIGTERM, out, func(int) {})
	if status != 3 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	if text := out.text.String(); !strings.Contains(text, "out\n") || !strings.Contains(text, "no end\n") {
		t.Errorf("wrote %q", text)
	}
	if status, err := Run(t.Context(), command.Spec{Argv: []string{"/no/such"}, Dir: "/", User: me(t)}, syscall.SIGTERM, out, func(int) {}); status != 127 || err == nil {
		t.Errorf("one that is not there: %d, %v", status, err)
	}
}

// TestRunStopsByTheImagesSignal fails for a program that is ended by another signal
// than its image says.
func TestRunStopsByTheImagesSignal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &lines{some: make(chan struct{})}
	go func() {
		<-out.some
		cancel()
	}()
	status, err := Run(ctx, spec(t, "trap 'exit 5' USR1; echo ready; while :; do sleep 0.1; done"), syscall.SIGUSR1, out, func(int) {})
	if status != 5 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
}
