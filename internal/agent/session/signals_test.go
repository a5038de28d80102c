package session_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
)

var errSeen = errors.New("seen")

// signalsOf waits until the host is told of a session in which the signals are as wanted.
func signalsOf(t *testing.T, r *session.Registry, want func(agentrpc.SessionSignals) bool) agentrpc.SessionSignals {
	t.Helper()
	done := make(chan struct{})
	timer := time.AfterFunc(30*time.Second, func() { close(done) })
	defer timer.Stop()
	var last agentrpc.SessionSignals
	err := r.Watch(done, func(ev agentrpc.SessionEvent) error {
		for _, info := range ev.Sessions {
			if info.Signals == nil {
				continue
			}
			if last = *info.Signals; want(last) {
				return errSeen
			}
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Fatalf("not as wanted: %+v, notice %+v", last, last.Notice)
	}
	return last
}

// watched starts a session on a terminal, in a registry whose events are told.
func watched(t *testing.T, script string) (*session.Registry, *session.Session) {
	t.Helper()
	if _, err := os.Stat("/proc/self/syscall"); err != nil {
		t.Skip("this kernel does not show system calls")
	}
	r := session.New()
	req := request(t, "sh", "-c", script)
	req.Spec.TTY = true
	info, err := r.Start(req)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Get(info.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(nil, 0) })
	return r, s
}

func TestWhoReadsTheTerminalIsSeen(t *testing.T) {
	r, s := watched(t, `printf 'go on? '; read x; sh -c 'read y; exit'; sleep 60`)
	got := signalsOf(t, r, func(g agentrpc.SessionSignals) bool { return g.Reading })
	if !got.ReadingLeader || got.ReadingSince.IsZero() || len(got.Reader) != 3 || got.Reader[0] != "sh" || got.Reader[1] != "-c" {
		t.Errorf("the session's own read: %+v", got)
	}
	if err := s.Send([]byte("yes\n"), false); err != nil {
		t.Fatal(err)
	}
	got = signalsOf(t, r, func(g agentrpc.SessionSignals) bool { return g.Reading && g.InputAt.After(got.ReadingSince) })
	if got.ReadingLeader || strings.Join(got.Reader, " ") != "sh -c read y; exit" {
		t.Errorf("a child's read: %+v", got)
	}
	if err := s.Send([]byte("yes\n"), false); err != nil {
		t.Fatal(err)
	}
	// What sleeps does not read, and is quiet after a while.
	signalsOf(t, r, func(g agentrpc.SessionSignals) bool { return !g.Reading && !g.Active && !g.OutputAt.IsZero() })
}

func TestNoticesAreTold(t *testing.T) {
	r, s := watched(t, `printf '\033]9;which one?\007'; read x; printf 'more\a'; read y; printf 'no\a'; sleep 60`)
	got := signalsOf(t, r, func(g agentrpc.SessionSignals) bool { return g.Notice != nil })
	if got.Notice.Source != "osc9" || got.Notice.Text != "which one?" || !got.Notice.At.After(got.InputAt) {
		t.Errorf("notice %+v", got.Notice)
	}
	// A bell right after input is the answer to it, however slow this machine is.
	s.SetEchoTime(time.Hour)
	if err := s.Send([]byte("a\n"), false); err != nil {
		t.Fatal(err)
	}
	got = signalsOf(t, r, func(g agentrpc.SessionSignals) bool { return g.Reading && g.InputAt.After(got.Notice.At) })
	if got.Notice.Source != "osc9" {
		t.Errorf("notice %+v", got.Notice)
	}
	if err := s.Said(agentrpc.SessionSaid{State: "needs-input", Text: "now"}); err != nil {
		t.Fatal(err)
	}
	if got = signalsOf(t, r, func(g agentrpc.SessionSignals) bool { return g.Said != nil }); got.Said.Text != "now" {
		t.Errorf("said %+v", got.Said)
	}
	s.Stop(nil, 0)
	if s.Info().Signals != nil || s.Said(agentrpc.SessionSaid{}) == nil {
		t.Errorf("after its end: %+v", s.Info().Signals)
	}
}

func TestTheSessionOfAProcess(t *testing.T) {
	r, s := watched(t, `sh -c 'exec setsid sleep 61 & echo $!; wait'`)
	out := s.Output(nil, agentrpc.Stdout, 0, 100)
	pid, err := strconv.Atoi(strings.TrimSpace(string(out.Data)))
	if err != nil {
		t.Fatalf("%q: %v", out.Data, err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // it left the session's group
	for _, pid := range []int{s.Info().PID, pid} {
		if found, err := r.OfProcess(pid); err != nil || found != s {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	for _, pid := range []int{1, os.Getpid(), 1 << 30, -1} {
		if _, err := r.OfProcess(pid); err == nil {
			t.Errorf("process %d is in a session", pid)
		}
	}
}
