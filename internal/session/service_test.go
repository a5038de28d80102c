package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAStartedSessionRunsAndExits(t *testing.T) {
	h := newHarness(t)
	s := h.start("")
	if s.State != session.Running || s.Name != "claude" || s.Dir != "/root" || s.StartedAt.IsZero() {
		t.Errorf("started %+v", s)
	}
	waited := make(chan session.Session, 1)
	go func() {
		got, err := h.svc.Wait(context.Background(), "box", s.Name)
		if err != nil {
			t.Error(err)
		}
		waited <- got
	}()
	h.agent.change(s.ID, func(r *session.Report) { r.Exited, r.ExitCode, r.StdoutBytes = true, 7, 42 })
	select {
	case got := <-waited:
		if got.State != session.Exited || got.ExitCode != 7 || got.StdoutBytes != 42 || got.EndedAt.IsZero() {
			t.Errorf("ended %+v", got)
		}
	case <-time.After(limit):
		t.Fatal("Wait does not return")
	}
	if again := h.start(""); again.Name != "claude-2" {
		t.Errorf("the second is called %q", again.Name)
	}
}

func TestAFailedStartIsRememberedWithItsDiagnosis(t *testing.T) {
	h := newHarness(t)
	h.agent.startErr = fault.New(fault.Invalid, "the directory %q does not exist", "/x\x1b[31m")
	_, err := h.svc.Start(t.Context(), "box", session.StartRequest{Name: "s", Command: []string{"sh"}})
	if !errors.Is(err, fault.Invalid) || fault.HintOf(err).String() == "" {
		t.Fatalf("Start = %v", err)
	}
	s, err := h.svc.Get(t.Context(), "box", "s")
	if err != nil || s.State != session.Failed || !strings.Contains(s.LastError, "does not exist") || strings.ContainsRune(s.LastError, 0x1b) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := h.svc.Reach(t.Context(), "box", "s"); !errors.Is(err, fault.Conflict) {
		t.Errorf("Reach = %v", err)
	}
	h.agent.startErr = nil // the directory was made
	if again := h.start("s"); again.ID == s.ID || again.State != session.Running {
		t.Errorf("started again under its name: %+v", again)
	}
	if _, err := h.svc.Start(t.Context(), "box", session.StartRequest{Name: "s", Command: []string{"sh"}}); !errors.Is(err, fault.Conflict) {
		t.Errorf("the name of one that runs: %v; want Conflict", err)
	}
}

// Whatever an agent refuses a start for, the name is free for the next one.
func TestAnAgentIsAskedForItsCredentials(t *testing.T) {
	h := newHarness(t)
	h.agent.startErr = fault.New(fault.PermissionDenied, "claude has no credentials")
	_, err := h.svc.Start(t.Context(), "box", session.StartRequest{Name: "s", Command: []string{"/usr/bin/claude", "-p", "x"}})
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.PermissionDenied) || !strings.Contains(hint, "[[files]]") {
		t.Errorf("Start = %v (%s)", err, hint)
	}
	if c := h.agent.asked.Credentials; c == nil || !slices.Contains(c.Env, "ANTHROPIC_API_KEY") {
		t.Errorf("asked for %+v", c)
	}
	h.agent.startErr, h.agent.warning = nil, "no\x1b[31mne"
	s, err := h.svc.Start(t.Context(), "box", session.StartRequest{Name: "s", Command: []string{"codex"}, Mode: session.TTY})
	if err != nil || s.Warning == "" || strings.ContainsRune(s.Warning, 0x1b) {
		t.Errorf("%q, %v", s.Warning, err)
	}
	if _, err := h.svc.Start(t.Context(), "box", session.StartRequest{Command: []string{"claude", "--version"}}); err != nil || h.agent.asked.Credentials != nil {
		t.Errorf("%v: asked for %+v", err, h.agent.asked.Credentials)
	}
}

func TestTheNameOfARefusedStartIsFree(t *testing.T) {
	for _, code := range []fault.Code{fault.Invalid, fault.Busy, fault.Conflict, fault.NotFound, fault.Internal, fault.PermissionDenied} {
		t.Run(string(code), func(t *testing.T) {
			h := newHarness(t)
			h.agent.startErr = fault.New(code, "no")
			if _, err := h.svc.Start(t.Context(), "box", session.StartRequest{Name: "s", Command: []string{"sh"}}); !errors.Is(err, code) {
				t.Fatalf("Start = %v", err)
			}
			h.agent.startErr = nil
			if again := h.start("s"); again.State != session.Running {
				t.Errorf("started again under its name: %+v", again)
			}
		})
	}
}

// When the answer to a start is lost, the agent's word decides.
func TestAStartWhoseAnswerIsLost(t *testing.T) {
	for name, happened := range map[string]bool{"it happened": true, "it did not": false} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.agent.startErr, h.agent.vanishes = fault.New(fault.Unavailable, "the connection broke"), happened
			if _, err := h.svc.Start(t.Context(), "box", session.StartRequest{Name: "s", Command: []string{"sh"}}); !errors.Is(err, fault.Unavailable) {
				t.Fatalf("Start = %v", err)
			}
			want := session.Failed
			if happened {
				want = session.Running
			}
			all, err := h.store.List(t.Context(), h.vms.v.ID)
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			h.recorded(all[0].ID, func(s session.Session) bool { return s.State == want })
		})
	}
}

// What the agent says of all its sessions may be older than the last of them.
func TestASessionThatStartsWhileTheAgentAnswers(t *testing.T) {
	h := newHarness(t)
	h.svc.Close()
	asked, answer, heard := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var once sync.Once
	h.agent.underway = func() { once.Do(func() { close(asked); <-answer }) }
	h.agent.heard = sync.OnceFunc(func() { close(heard) })
	h.serve()
	<-asked
	s := h.start("s")
	close(answer)
	<-heard
	h.agent.change(s.ID, func(r *session.Report) { r.Exited, r.ExitCode = true, 3 })
	h.recorded(s.ID, func(s session.Session) bool { return s.State == session.Exited && s.ExitCode == 3 })
}

func TestASessionIsLostWithItsAgent(t *testing.T) {
	h := newHarness(t)
	s := h.start("s")
	h.agent.reboot()
	got := h.recorded(s.ID, func(s session.Session) bool { return s.State == session.Lost })
	if got.LastError == "" || got.EndedAt.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestASessionNeverOutlivesItsVM(t *testing.T) {
	for name, change := range map[string]func(*vm.VM){
		"stopped":     func(v *vm.VM) { v.State, v.ExitReason = vm.Stopped, "guest-poweroff" },
		"failed":      func(v *vm.VM) { v.State, v.ExitReason = vm.Failed, "monitor-died" },
		"started new": func(v *vm.VM) { v.StartID = "start-2" },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			s := h.start("s")
			h.setVM(change)
			got, err := h.svc.Get(t.Context(), "box", "s") // at once, whatever is recorded yet
			if err != nil || got.State != session.Lost || !strings.Contains(got.LastError, h.vms.v.ExitReason) {
				t.Errorf("%+v, %v", got, err)
			}
			h.recorded(s.ID, func(s session.Session) bool { return s.State == session.Lost })
			if _, err := h.svc.Reach(t.Context(), "box", "s"); !errors.Is(err, fault.Conflict) {
				t.Errorf("Reach = %v", err)
			}
		})
	}
}

// An exit that was heard of before the VM's end stays an exit.
func TestAnExitBeforeTheVMsEndStays(t *testing.T) {
	h := newHarness(t)
	s := h.start("s")
	h.agent.change(s.ID, func(r *session.Report) { r.Exited = true })
	h.recorded(s.ID, func(s session.Session) bool { return s.State == session.Exited })
	h.setVM(func(v *vm.VM) { v.State = vm.Stopped })
	if got, err := h.svc.Get(t.Context(), "box", "s"); err != nil || got.State != session.Exited {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestANewDaemonHearsWhatHappened(t *testing.T) {
	h := newHarness(t)
	ran, exited := h.start("ran"), h.start("exited")
	h.svc.Close()
	h.agent.change(exited.ID, func(r *session.Report) { r.Exited, r.ExitCode = true, 3 })
	h.serve()
	h.recorded(exited.ID, func(s session.Session) bool { return s.State == session.Exited && s.ExitCode == 3 })
	h.recorded(ran.ID, func(s session.Session) bool { return s.State == session.Running })

	h.svc.Close()
	h.vms.v.State, h.vms.v.ExitReason = vm.Stopped, "host-restart"
	h.serve()
	got := h.recorded(ran.ID, func(s session.Session) bool { return s.State == session.Lost })
	if !strings.Contains(got.LastError, "host-restart") {
		t.Errorf("lost because %q", got.LastError)
	}
}

func TestAPausedVMKeepsItsSessions(t *testing.T) {
	h := newHarness(t)
	s := h.start("s")
	h.setVM(func(v *vm.VM) { v.State = vm.Paused })
	if got, err := h.svc.Get(t.Context(), "box", "s"); err != nil || got.State != session.Running {
		t.Errorf("%+v, %v", got, err)
	}
	if err := h.svc.Send(t.Context(), "box", "s", []byte("x"), false); !errors.Is(err, fault.Conflict) {
		t.Errorf("Send = %v", err)
	}
	h.setVM(func(v *vm.VM) { v.State = vm.Running })
	if err := h.svc.Send(t.Context(), "box", s.ID[:8], []byte("x"), false); err != nil {
		t.Error(err)
	}
}

// What a guest says is bounded, and cannot reopen what has ended.
func TestAHostileAgent(t *testing.T) {
	h := newHarness(t)
	s := h.start("s")
	h.agent.change(s.ID, func(r *session.Report) {
		r.Exited, r.ExitCode, r.StdoutBytes = true, -5000, -1
		r.Error = strings.Repeat("x\x1b]0;evil\a", 10_000)
		r.EndedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	got := h.recorded(s.ID, func(s session.Session) bool { return s.State == session.Exited })
	if got.ExitCode < 0 || got.ExitCode > 255 || got.StdoutBytes < 0 || len(got.LastError) > 4<<10 || strings.ContainsRune(got.LastError, 0x1b) ||
		got.EndedAt.After(time.Now()) {
		t.Errorf("%+v", got)
	}
	h.agent.change(s.ID, func(r *session.Report) { r.Exited = false })
	if got, err := h.svc.Get(t.Context(), "box", "s"); err != nil || got.State != session.Exited {
		t.Errorf("%+v, %v", got, err)
	}
	h.agent.mu.Lock()
	for _, tell := range h.agent.followed {
		_ = tell(session.Event{Snapshot: true, Reports: []session.Report{{ID: "unheard-of"}}})
	}
	h.agent.mu.Unlock()
	if all, err := h.svc.List(t.Context(), "box"); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestVerbsOnEndedSessions(t *testing.T) {
	h := newHarness(t)
	s := h.start("s")
	if err := h.svc.Remove(t.Context(), "box", "s"); !errors.Is(err, fault.Conflict) {
		t.Errorf("removing a running session: %v", err)
	}
	got, err := h.svc.Stop(t.Context(), "box", "s", 0)
	if err != nil || got.State != session.Exited || got.Signal != "TERM" || got.ExitCode != 143 || got.Attention.Why != session.ByStop {
		t.Errorf("Stop = %+v, %v", got, err)
	}
	if _, err := h.svc.Stop(t.Context(), "box", "s", 0); err != nil {
		t.Errorf("stopping again: %v", err)
	}
	for signal, want := range map[string]error{"": nil, "SIGKILL": nil, "9": nil, "kill": nil, "USR1": fault.Conflict, "TERM": fault.Conflict, "no/such": fault.Invalid} {
		if _, err := h.svc.Kill(t.Context(), "box", "s", signal); !errors.Is(err, want) {
			t.Errorf("Kill with %q = %v, want %v", signal, err, want)
		}
	}
	if err := h.svc.Send(t.Context(), "box", "s", nil, true); !errors.Is(err, fault.Conflict) {
		t.Errorf("Send = %v", err)
	}
	if _, err := h.svc.Start(t.Context(), "box", session.StartRequest{Name: "s", Command: []string{"sh"}}); !errors.Is(err, fault.Conflict) || fault.HintOf(err).String() == "" {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := h.svc.Remove(t.Context(), "box", "s"); err != nil || len(h.agent.removed) != 1 || h.agent.removed[0] != s.ID {
		t.Errorf("Remove = %v, the agent forgot %q", err, h.agent.removed)
	}
	if _, err := h.svc.Get(t.Context(), "box", "s"); !errors.Is(err, fault.NotFound) {
		t.Errorf("Get = %v", err)
	}
}

// A user who killed a session is told so, however the signal was named, and whichever
// comes first: the end, or the answer to the request.
func TestAKilledSessionSaysSo(t *testing.T) {
	for signal, want := range map[string]session.Why{"": session.ByKill, "9": session.ByKill, "SIGKILL": session.ByKill, "kill": session.ByKill, "TERM": session.ByError} {
		h := newHarness(t)
		s := h.start("s")
		if _, err := h.svc.Kill(t.Context(), "box", "s", signal); err != nil {
			t.Fatal(err)
		}
		h.agent.change(s.ID, func(r *session.Report) { r.Exited, r.ExitCode, r.Signal = true, 137, "KILL" })
		h.recorded(s.ID, func(s session.Session) bool { return s.State == session.Exited })
		if got, err := h.svc.Get(t.Context(), "box", "s"); err != nil || got.Attention.Why != want || got.Attention.ExitCode != 137 {
			t.Errorf("killed by %q: %+v, %v", signal, got.Attention, err)
		}
	}
}

func TestBadRequests(t *testing.T) {
	h := newHarness(t)
	for name, req := range map[string]session.StartRequest{
		"no command":    {},
		"bad name":      {Name: "a b", Command: []string{"x"}},
		"name like id":  {Name: "0123456789abcdef", Command: []string{"x"}},
		"bad mode":      {Mode: "socket", Command: []string{"x"}},
		"bad env":       {Command: []string{"x"}, Env: []string{"NOVALUE"}},
		"NUL":           {Command: []string{"x\x00y"}},
		"too long":      {Command: []string{strings.Repeat("x", 1<<20)}},
		"keep too much": {Command: []string{"x"}, KeepBytes: 1 << 40},
		"keep nothing":  {Command: []string{"x"}, KeepBytes: -1},
	} {
		if _, err := h.svc.Start(t.Context(), "box", req); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.svc.Start(t.Context(), "nobody", session.StartRequest{Command: []string{"x"}}); !errors.Is(err, fault.NotFound) {
		t.Errorf("no such VM: %v", err)
	}
	h.setVM(func(v *vm.VM) { v.State = vm.Stopped })
	if _, err := h.svc.Start(t.Context(), "box", session.StartRequest{Command: []string{"x"}}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a stopped VM: %v", err)
	}
	if n := len(h.store.all); n != 0 {
		t.Errorf("%d records are left", n)
	}
}
