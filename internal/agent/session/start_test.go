package session_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
)

func TestStartDiagnoses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/no/interpreter -x\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare")
	if err := os.WriteFile(bare, []byte("echo hello\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*session.Request)
		want   []string
	}{
		"directory missing":   {func(r *session.Request) { r.Spec.Dir = "/no/such" }, []string{"/no/such", "does not exist"}},
		"not a directory":     {func(r *session.Request) { r.Spec.Dir = script }, []string{script, "not a directory"}},
		"command missing":     {func(r *session.Request) { r.Spec.Argv = []string{"no-such"} }, []string{"no-such", "looked in", "/usr/bin"}},
		"requirement missing": {func(r *session.Request) { r.Require = []string{"sh", "a-b", "c-d"} }, []string{"a-b", "c-d", "looked in"}},
		"interpreter missing": {func(r *session.Request) { r.Spec.Argv = []string{script} }, []string{"/no/interpreter"}},
		"no first line":       {func(r *session.Request) { r.Spec.Argv = []string{bare} }, []string{"names no interpreter", "sh " + bare}},
		"no command":          {func(r *session.Request) { r.Spec.Argv = nil }, []string{"no command"}},
		"no id":               {func(r *session.Request) { r.ID = "../x" }, []string{"not a session ID"}},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(t, "true")
			tc.change(&req)
			r := session.New()
			_, err := r.Start(req)
			if code(err) != session.Invalid {
				t.Fatalf("Start = %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if n := len(r.List().Sessions); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

func TestStartIsIdempotent(t *testing.T) {
	r := session.New()
	first, err := r.Start(request(t, "sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Start(request(t, "sleep", "1000"))
	if err != nil || second.PID != first.PID {
		t.Errorf("%+v, %v; want process %d", second, err, first.PID)
	}
	if err := r.Remove(testID); code(err) != session.Conflict {
		t.Errorf("removing a running session: %v", err)
	}
	s, err := r.Get(testID)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop(nil, 0)
	if err := r.Remove(testID); err != nil {
		t.Error(err)
	}
	if _, err := r.Get(testID); code(err) != session.NotFound {
		t.Errorf("after its removal: %v", err)
	}
}

func TestWatchersHearOfEachChange(t *testing.T) {
	r := session.New()
	events := make(chan agentrpc.SessionEvent, 16)
	done := make(chan struct{})
	watched := make(chan error, 1)
	go func() {
		watched <- r.Watch(done, func(ev agentrpc.SessionEvent) error { events <- ev; return nil })
	}()
	if ev := <-events; !ev.Snapshot || len(ev.Sessions) != 0 || ev.Agent == "" {
		t.Errorf("first %+v", ev)
	}
	if _, err := r.Start(request(t, "sh", "-c", "exit 5")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(limit); ; {
		select {
		case ev := <-events:
			if len(ev.Sessions) != 1 || ev.Snapshot {
				t.Fatalf("%+v", ev)
			}
			if s := ev.Sessions[0]; s.State == agentrpc.SessionExited {
				if s.ExitCode != 5 {
					t.Errorf("exit code %d", s.ExitCode)
				}
				close(done)
				if err := <-watched; err != nil {
					t.Error(err)
				}
				return
			}
		case <-deadline:
			t.Fatal("the end is not told")
		}
	}
}
