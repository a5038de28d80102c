package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agent/configure"
	"github.com/bangervm/banger/internal/agent/guestapi"
	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agent/pid1"
	"github.com/bangervm/banger/internal/agent/sockets"
	"github.com/bangervm/banger/internal/agent/sshserver"
	"github.com/bangervm/banger/internal/agentrpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAgent() *agent {
	log := slog.New(slog.DiscardHandler)
	a := &agent{log: log, ssh: sshserver.New(log, nil), owners: sockets.NewOwners("/proc"), program: newProgram()}
	a.api = guestapi.New(log, a.health, a.owners.ByPort)
	return a
}

// pipe returns both ends of an in-memory connection with a deadline.
func pipe(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	ours, theirs = net.Pipe()
	if err := ours.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	return ours, theirs
}

// control starts a control stream and returns the host's end.
func startControl(t *testing.T, a *agent) (host net.Conn, lines *bufio.Scanner, ended chan error) {
	t.Helper()
	host, guest := pipe(t)
	ended = make(chan error, 1)
	go func() { ended <- a.converse(context.Background(), guest) }()
	return host, bufio.NewScanner(host), ended
}

func next(t *testing.T, lines *bufio.Scanner) agentrpc.GuestMessage {
	t.Helper()
	if !lines.Scan() {
		t.Fatalf("no message: %v", lines.Err())
	}
	var m agentrpc.GuestMessage
	if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFreshAgentSaysHelloOnly(t *testing.T) {
	host, lines, ended := startControl(t, newAgent())
	m := next(t, lines)
	if m.Hello == nil || m.Hello.Configured || m.Hello.Protocol != agentrpc.Version || m.Hello.Kernel == "" {
		t.Errorf("first message: %+v", m.Hello)
	}
	_ = host.Close()
	if err := <-ended; err != nil {
		t.Errorf("converse = %v", err)
	}
}

func TestConfiguredAgentSaysThatItIsReady(t *testing.T) {
	a := newAgent()
	a.saved.Init, a.saved.Generation = inits.Found{Flavour: inits.Runit}, "g"
	a.ready.Store(true)
	host, lines, ended := startControl(t, a)
	if m := next(t, lines); m.Hello == nil || !m.Hello.Configured {
		t.Errorf("first message: %+v", m)
	}
	if m := next(t, lines); m.Ready == nil || m.Ready.Init != "runit" || m.Ready.Generation != "g" || m.Ready.BootID == "" || m.Ready.UptimeMillis <= 0 {
		t.Errorf("second message: %+v", m)
	}
	if m := next(t, lines); m.Listening == nil {
		t.Errorf("third message: %+v", m)
	}
	// A second Configure changes nothing, and is answered: with the first's generation.
	go func() { _, _ = host.Write([]byte(`{"configure":{"hostname":"other","generation":"h"}}` + "\n")) }()
	if m := next(t, lines); m.Ready == nil || m.Ready.Generation != "g" {
		t.Errorf("answer to a second Configure: %+v", m)
	}
	_ = host.Close()
	if err := <-ended; err != nil {
		t.Errorf("converse = %v", err)
	}
}

func TestHostsShutdownReachesPID1(t *testing.T) {
	a := newAgent()
	pid1End, agentEnd := pipe(t)
	p := &parent{conn: agentEnd}
	a.parent.Store(p)
	host, lines, ended := startControl(t, a)
	next(t, lines)
	if _, err := host.Write([]byte(`{"shutdown":{"kind":"reboot"}}` + "\n")); err != nil {
		t.Fatal(err)
	}
	var req pid1.Request
	if err := json.NewDecoder(pid1End).Decode(&req); err != nil || req.Down != agentrpc.DownReboot {
		t.Errorf("PID 1 was asked %+v, %v", req, err)
	}
	_ = host.Close()
	if err := <-ended; err != nil {
		t.Errorf("converse = %v", err)
	}
}

func TestMalformedMessagesEndTheStream(t *testing.T) {
	for name, line := range map[string]string{"no json": "{\n", "too long": strings.Repeat("x", 2*agentrpc.MaxLine)} {
		t.Run(name, func(t *testing.T) {
			host, lines, ended := startControl(t, newAgent())
			next(t, lines)
			go func() { _, _ = host.Write([]byte(line)) }()
			select {
			case err := <-ended:
				if name == "no json" && err == nil {
					t.Error("converse ended without an error")
				}
			case <-time.After(20 * time.Second):
				t.Error("the stream lives on")
			}
		})
	}
}

func TestStateSurvivesTheAgent(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if got, err := load(f); err != nil || got.Configured {
		t.Errorf("fresh state: %+v, %v", got, err)
	}
	cfg := &agentrpc.Configure{Token: "t", HostKey: "k", AuthorizedKeys: []string{"a"}, Env: []string{strings.Repeat("x", 5000)}, WorkingDir: "/w"}
	if err := save(f, savedFrom(cfg, configure.Result{Init: inits.Found{Flavour: inits.Systemd}})); err != nil {
		t.Fatal(err)
	}
	cfg.Env = []string{"A=b"} // a shorter state must leave nothing of the longer
	want := savedFrom(cfg, configure.Result{Init: inits.Found{Flavour: inits.Busybox, Path: "/sbin/init"}})
	if err := save(f, want); err != nil {
		t.Fatal(err)
	}
	got, err := load(f)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("load: %v\n%s", err, diff)
	}
}

func TestMemory(t *testing.T) {
	total, avail := memory("MemTotal:  1024 kB\nMemFree: 7 kB\nMemAvailable:\t512 kB\nJunk\n")
	if total != 1<<20 || avail != 512<<10 {
		t.Errorf("memory = %d, %d", total, avail)
	}
}

func TestConsoleLines(t *testing.T) {
	var out bytes.Buffer
	log := NewConsoleLog(&out)
	log.Info("ready", "init", "agent")
	log.With("port", 7).Error("lost")
	log.Debug("unseen")
	if want := "banger: ready init=\"agent\"\r\nbanger: error: lost port=\"7\"\r\n"; out.String() != want {
		t.Errorf("console shows %q", out.String())
	}
}

func TestBusy(t *testing.T) {
	// user nice system idle iowait irq softirq steal guest guest_nice
	if got := busy("cpu  100 20 30 9999 8888 4 5 6 77 88\ncpu0 1 2 3\n"); got != 1.65 {
		t.Errorf("busy = %v", got)
	}
	for _, text := range []string{"", "cpu", "cpu x y"} {
		if got := busy(text); got != 0 {
			t.Errorf("busy(%q) = %v", text, got)
		}
	}
}

// TestTheEntrypointIsToldAgain fails for a host that comes back and hears nothing of the
// image's program.
func TestTheEntrypointIsToldAgain(t *testing.T) {
	a := newAgent()
	a.tellProgram(agentrpc.Entrypoint{State: agentrpc.EntrypointRunning, Restarts: 2})
	a.tellHealth(agentrpc.EntrypointHealth{State: agentrpc.HealthHealthy})
	a.ready.Store(true)
	host, lines, ended := startControl(t, a)
	for _, what := range []string{"hello", "ready"} {
		if m := next(t, lines); m.Entrypoint != nil {
			t.Errorf("%s: %+v", what, m)
		}
	}
	if m := next(t, lines); m.Entrypoint == nil || m.Entrypoint.Restarts != 2 {
		t.Errorf("third message: %+v", m)
	}
	if m := next(t, lines); m.EntrypointHealth == nil || m.EntrypointHealth.State != agentrpc.HealthHealthy {
		t.Errorf("fourth message: %+v", m)
	}
	a.tellProgram(agentrpc.Entrypoint{State: agentrpc.EntrypointExited})
	if _, health := a.program.get(); health != nil {
		t.Errorf("a program that ended has the health %+v", health)
	}
	_ = host.Close()
	if err := <-ended; err != nil {
		t.Errorf("converse = %v", err)
	}
}
