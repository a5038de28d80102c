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

func TestStartLooksForCredentials(t *testing.T) {
	home := t.TempDir()
	for file, content := range map[string]string{"there": "token", "empty": ""} {
		if err := os.WriteFile(filepath.Join(home, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		credentials *agentrpc.Credentials
		lacked      []string // what is named as missing
	}{
		"none needed":        {nil, nil},
		"a variable":         {&agentrpc.Credentials{Env: []string{"TOKEN"}, Files: []string{"~/no"}}, nil},
		"a file":             {&agentrpc.Credentials{Env: []string{"NO"}, Files: []string{"~/there"}}, nil},
		"neither":            {&agentrpc.Credentials{Env: []string{"NO", "NEITHER"}, Files: []string{"~/no"}}, []string{"$NO", "$NEITHER", "~/no", "true has no credentials"}},
		"an empty file":      {&agentrpc.Credentials{Files: []string{"~/empty"}}, []string{"~/empty"}},
		"an empty variable":  {&agentrpc.Credentials{Env: []string{"BLANK"}}, []string{"$BLANK"}},
		"a list without any": {&agentrpc.Credentials{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, tty := range []bool{false, true} {
				req := request(t, "true")
				req.Spec.Env = append(req.Spec.Env, "HOME="+home, "TOKEN=t", "BLANK=")
				req.Spec.TTY, req.Credentials = tty, tc.credentials
				info, err := session.New().Start(req)
				said := info.Warning
				if tc.lacked != nil && !tty {
					if code(err) != session.Denied {
						t.Fatalf("Start = %v; want Denied", err)
					}
					said, err = err.Error(), nil
				}
				if err != nil || (said == "") != (tc.lacked == nil) {
					t.Errorf("terminal %v: said %q, %v", tty, said, err)
				}
				for _, want := range tc.lacked {
					if !strings.Contains(said, want) {
						t.Errorf("terminal %v: %q does not say %q", tty, said, want)
					}
				}
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
