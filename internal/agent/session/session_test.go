package session_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/command/commandtest"
	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
)

const limit = 20 * time.Second

const testID = "0123456789abcdef"

func request(t *testing.T, argv ...string) session.Request {
	t.Helper()
	return session.Request{
		ID: testID,
		Spec: command.Spec{
			Argv: argv, Dir: t.TempDir(), User: account.Account{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())},
			Env: []string{"PATH=" + command.DefaultPath},
		},
	}
}

// start starts a session that is killed when the test ends.
func start(t *testing.T, req session.Request) *session.Session {
	t.Helper()
	r := session.New()
	if _, err := r.Start(req); err != nil {
		t.Fatal(err)
	}
	s, err := r.Get(req.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(nil, 0) })
	return s
}

func ended(t *testing.T, s *session.Session) agentrpc.SessionInfo {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(limit):
		t.Fatal("the session does not end")
	}
	return s.Info()
}

func output(s *session.Session, stream agentrpc.Stream, offset int64) agentrpc.SessionOutput {
	return s.Output(nil, stream, offset, agentrpc.MaxOutputRead)
}

func TestSessionKeepsItsOutputByStream(t *testing.T) {
	s := start(t, request(t, "sh", "-c", "printf out; printf err >&2; exit 3"))
	info := ended(t, s)
	if info.State != agentrpc.SessionExited || info.ExitCode != 3 || info.StdoutBytes != 3 || info.StderrBytes != 3 || info.Error != "err" {
		t.Errorf("%+v", info)
	}
	if out := output(s, agentrpc.Stdout, 1); string(out.Data) != "ut" || out.Offset != 1 || !out.Ended {
		t.Errorf("stdout from 1: %+v", out)
	}
	if out := output(s, agentrpc.Stderr, agentrpc.FromOldest); string(out.Data) != "err" {
		t.Errorf("stderr: %+v", out)
	}
}

func TestWhatASessionLeftRunningGoesOn(t *testing.T) {
	left := commandtest.NewLeftover(t)
	s := start(t, request(t, "sh", "-c", left.Script("", "")))
	if info := ended(t, s); info.ExitCode != 0 {
		t.Errorf("status %d", info.ExitCode)
	}
	if !left.Survives() {
		t.Error("it died at its first output")
	}
}

func TestOutputBeyondTheLimitDropsTheOldest(t *testing.T) {
	req := request(t, "sh", "-c", "yes 0123456789abcde | head -c 1600000")
	req.KeepBytes = agentrpc.MinKeep
	s := start(t, req)
	info := ended(t, s)
	if info.StdoutBytes != 1600000 || info.StdoutDropped != 1600000-agentrpc.MinKeep {
		t.Errorf("%d bytes, %d dropped", info.StdoutBytes, info.StdoutDropped)
	}
	h := attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(nil)
	if h.lost[0] != info.StdoutDropped || h.text[0].Len() != agentrpc.MinKeep || !strings.HasPrefix(h.text[0].String(), "0123456789abcde\n") {
		t.Errorf("lost %d, got %d bytes", h.lost[0], h.text[0].Len())
	}
}

// An attached reader that keeps up gets all, however little is kept.
func TestAReaderThatKeepsUpLosesNothing(t *testing.T) {
	req := request(t, "sh", "-c", "read go; head -c 20000000 /dev/zero")
	req.KeepBytes = agentrpc.MinKeep
	s := start(t, req)
	p := attach(t, s, agentrpc.SessionAttach{Writer: "w"})
	p.stdin(0, "go\n")
	if h := p.listen(nil); h.text[0].Len() != 20000000 || h.lost[0] != 0 {
		t.Errorf("%d bytes, %d lost", h.text[0].Len(), h.lost[0])
	}
}

// One that stands still holds nobody up for long, and is told what it missed.
func TestAReaderThatStandsStillDoesNotHoldTheSession(t *testing.T) {
	req := request(t, "head", "-c", "20000000", "/dev/zero")
	req.KeepBytes = agentrpc.MinKeep
	s := start(t, req)
	p := attach(t, s, agentrpc.SessionAttach{ReadOnly: true})
	began := time.Now()
	ended(t, s)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("held up for %s", took)
	}
	h := p.listen(nil)
	if got := int64(h.text[0].Len()) + h.lost[0]; got != 20000000 || h.lost[0] == 0 {
		t.Errorf("%d bytes and %d lost", h.text[0].Len(), h.lost[0])
	}
}

func TestStopReachesTheWholeGroup(t *testing.T) {
	req := request(t, "sh", "-c", `(trap "" TERM; echo up; sleep 1000) & wait`)
	s := start(t, req)
	attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(func(h *heard) bool { return h.has("up") })
	group := s.Info().PID
	s.Stop(nil, 300*time.Millisecond)
	ended(t, s)
	deadline := time.After(limit)
	for processes(t, group) > 0 {
		select {
		case <-deadline:
			t.Fatalf("%d processes of the group live on", processes(t, group))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// processes counts the living members of a process group.
func processes(t *testing.T, group int) int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(fields) > 2 && fields[2] == itoa(group) && fields[0] != "Z" {
			n++
		}
	}
	return n
}

func TestWhatAStoppedSessionSaidIsNotWhyItEnded(t *testing.T) {
	s := start(t, request(t, "sh", "-c", "echo busy; exec sleep 1000"))
	attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(func(h *heard) bool { return h.has("busy") })
	s.Stop(nil, limit)
	if info := ended(t, s); info.Signal != "TERM" || info.Error != "" {
		t.Errorf("%+v; want ended by TERM, for no reason of its own", info)
	}
}
