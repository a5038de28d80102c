package monitors

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// A monitor speaks with its guest, and may have been taken over: what it answers
// is bounded as a guest's own words are.

// monitorCalls are all that bangerd asks of a monitor.
func monitorCalls() map[string]func(context.Context, *Machine) error {
	return map[string]func(context.Context, *Machine) error{
		"status":     func(ctx context.Context, m *Machine) error { _, err := m.status(ctx); return err },
		"stats":      func(ctx context.Context, m *Machine) error { _, err := m.Stats(ctx); return err },
		"ports":      func(ctx context.Context, m *Machine) error { _, err := m.Ports(ctx); return err },
		"forward":    func(ctx context.Context, m *Machine) error { _, err := m.AddForward(ctx, vm.Forward{}); return err },
		"egress":     func(ctx context.Context, m *Machine) error { return m.SetEgress(ctx, "none") },
		"neighbours": func(ctx context.Context, m *Machine) error { return m.SetNeighbours(ctx, nil) },
		"pause":      func(ctx context.Context, m *Machine) error { return m.Pause(ctx) },
		"stop":       func(ctx context.Context, m *Machine) error { return m.Stop(ctx, time.Second) },
		"events": func(ctx context.Context, m *Machine) error {
			events, err := m.Events(ctx)
			if err == nil {
				for range events { // until what is said cannot be understood
				}
			}
			return err
		},
	}
}

const (
	maxTaken     = 6*maxLargeAnswer + 1<<20 // in bytes, were it in chunks of one byte
	maxHeadTaken = maxHead + 1<<20          // and what sockets hold
	maxAllocated = 64 << 20                 // of an answer's text as it grew, and what was made of it
)

func TestAHostileMonitorsAnswersCostLittle(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n\r\n"
	for name, answer := range map[string]struct{ begin, rest string }{
		"random":          {"\x00\xff", "\x1b[2J"},
		"endless head":    {"HTTP/1.1 200 OK\r\n", "A: b\r\n"},
		"endless reason":  {"HTTP/1.1 500 ", "x"},
		"endless hints":   {"", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"},
		"endless text":    {ok + `{"build":"`, "x"},
		"endless blanks":  {ok, " "},
		"endless lines":   {ok, "{}\n"},
		"endless chunks":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"},
		"endless refusal": {"HTTP/1.1 500 X\r\n\r\n" + `{"code":"`, "x"},
		"many elements":   {ok + `{"ports":[`, "{},"},
		"silence":         {"", ""},
		"half a body":     {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", ""},
	} {
		for verb, call := range monitorCalls() {
			t.Run(name+"/"+verb, func(t *testing.T) {
				m, written := hostileMonitor(t, answer.begin, answer.rest)
				limit := 10 * time.Second
				if answer.rest == "" {
					limit = 20 * time.Millisecond // its end is what ends the call
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := call(ctx, m)
				runtime.ReadMemStats(&after)
				if answer.rest != "" && ctx.Err() != nil {
					t.Error("only the deadline ended it")
				}
				if err != nil && len(err.Error()) > 4<<10 {
					t.Errorf("the error has %d bytes", len(err.Error()))
				}
				if took := after.TotalAlloc - before.TotalAlloc; took > maxAllocated {
					t.Errorf("it took %d MiB", took>>20)
				}
				most := maxTaken
				if !strings.Contains(answer.begin, "\r\n\r\n") {
					most = maxHeadTaken
				}
				if n := <-written; n > most {
					t.Errorf("%d bytes were taken", n)
				}
			})
		}
	}
}

// hostileMonitor answers one request by begin, and then by rest until nobody
// listens: it tells how much it could say.
func hostileMonitor(t *testing.T, begin, rest string) (*Machine, <-chan int) {
	t.Helper()
	_, dir := newLauncher(t, "")
	listener, err := statedir.ListenUnix(dir.MonitorSocket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	written := make(chan int, 1)
	go func() {
		total := 0
		defer func() { written <- total }()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewReader(conn)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		total, err = io.WriteString(conn, begin)
		for part := strings.Repeat(rest, 1+4096/max(1, len(rest))); err == nil && rest != ""; {
			var n int
			n, err = io.WriteString(conn, part)
			total += n
		}
		_, _ = io.Copy(io.Discard, in) // until bangerd is gone
	}()
	return &Machine{dir: dir}, written
}
