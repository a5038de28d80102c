package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/session"
)

func sampleSession(n int) session.Session {
	at := time.Date(2026, 11, 23, 12, 0, n, 123456789, time.UTC)
	return session.Session{
		ID: fmt.Sprintf("%016x", 100+n), VMID: sampleVM(1).ID, StartID: "feedfacefeedface", Name: fmt.Sprintf("s-%d", n),
		Command: []string{"sh", "-c", "two words"}, Mode: session.TTY, Dir: "/root", User: "me", State: session.Exited,
		ExitCode: 137, Signal: "KILL", Asked: "KILL", LastError: "why", KeepBytes: 1 << 20, StdinBytes: 1, StdoutBytes: 2, StderrBytes: 3,
		StdoutDropped: 4, StderrDropped: 5, CreatedAt: at, StartedAt: at.Add(time.Second), EndedAt: at.Add(time.Minute),
	}
}

func TestEveryFieldOfASessionIsStored(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	if err := db.VMs().Insert(t.Context(), sampleVM(1)); err != nil {
		t.Fatal(err)
	}
	want := sampleSession(1)
	noneZero(t, want, "Writer", "Readers", "Warning", "Attention")
	if err := db.Sessions().Insert(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := db.Sessions().List(t.Context(), want.VMID)
	if diff := cmp.Diff([]session.Session{want}, got); diff != "" || err != nil {
		t.Errorf("stored session differs (%v) (-want +got):\n%s", err, diff)
	}
	if open, err := db.Sessions().Open(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("Open = %v, %v", open, err)
	}
	want.State, want.EndedAt, want.Signal = session.Running, time.Time{}, ""
	if _, err := db.Sessions().Update(t.Context(), want.ID, func(s *session.Session) error { *s = want; return nil }); err != nil {
		t.Fatal(err)
	}
	got, err = db.Sessions().Open(t.Context())
	if diff := cmp.Diff([]session.Session{want}, got); diff != "" || err != nil {
		t.Errorf("updated session differs (%v) (-want +got):\n%s", err, diff)
	}
}

func TestSessionNamesAreUniqueInAVM(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	for n := range 2 {
		if err := db.VMs().Insert(t.Context(), sampleVM(n)); err != nil {
			t.Fatal(err)
		}
	}
	first, second := sampleSession(1), sampleSession(2)
	second.Name = first.Name
	if err := db.Sessions().Insert(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := db.Sessions().Insert(t.Context(), second); !errors.Is(err, fault.Conflict) {
		t.Errorf("the same name = %v", err)
	}
	second.VMID = sampleVM(0).ID
	if err := db.Sessions().Insert(t.Context(), second); err != nil {
		t.Errorf("the same name in another VM = %v", err)
	}
	refused := errors.New("no")
	if _, err := db.Sessions().Update(t.Context(), first.ID, func(s *session.Session) error { s.Name = "x"; return refused }); !errors.Is(err, refused) {
		t.Errorf("Update = %v", err)
	}
	if _, err := db.Sessions().Update(t.Context(), "nobody", func(*session.Session) error { return nil }); !errors.Is(err, fault.NotFound) {
		t.Errorf("Update of none = %v", err)
	}
}

func TestSessionsGoWithTheirVM(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	if err := db.VMs().Insert(t.Context(), sampleVM(1)); err != nil {
		t.Fatal(err)
	}
	if err := db.Sessions().Insert(t.Context(), sampleSession(1)); err != nil {
		t.Fatal(err)
	}
	if err := db.VMs().Delete(t.Context(), sampleVM(1).ID); err != nil {
		t.Fatal(err)
	}
	if left, err := db.Sessions().List(t.Context(), sampleVM(1).ID); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}
