package vmmtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// suspend suspends a machine, which stands still, to a file, which is read from its beginning.
func (r Rig) suspend(t *testing.T, m vmm.Machine) vmm.Suspended {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "machine"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	how, err := m.Suspend(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	return vmm.Suspended{Suspension: how, From: f, Claim: func() error { return nil }}
}

func (r Rig) suspends(t *testing.T) {
	r = r.withDisk(t)
	s := r.site(t)
	m := s.start()
	conn := s.say("echo")
	s.echo(conn, "before")
	r.suspend(t, m)
	s.next(m, vmm.Paused)
	if err := m.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.next(m, vmm.Resumed)
	s.echo(conn, "what was open stays open, since nothing ended")
	from := r.suspend(t, m)
	s.next(m, vmm.Paused)
	if err := m.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e := s.over(m); e.Cause != vmm.HostShutdown {
		t.Errorf("the exit of a suspended machine is %+v", e)
	}
	claims := 0
	from.Claim = func() error { claims++; return nil }
	r.Spec.Resume = &from
	s = r.site(t)
	m = s.start()
	select {
	case e := <-m.Events():
		t.Errorf("that it goes on is an event: %+v", e)
	default:
	}
	s.echo(s.say("echo"), "after")
	if claims != 1 {
		t.Errorf("it was claimed %d times", claims)
	}
	again := r.suspend(t, m) // a resumed one is like any other
	s.next(m, vmm.Paused)
	if again.Suspension != from.Suspension {
		t.Errorf("suspended again it is %+v; want %+v", again.Suspension, from.Suspension)
	}
	_ = m.Signal(syscall.SIGTERM)
	s.over(m)
}

// failing is a writer that fails once it has taken this many bytes, or, where they are negative,
// waits until ctx ends.
type failing struct {
	left int
	ctx  context.Context
	end  context.CancelFunc
}

var errDiskFull = errors.New("the disk is full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left < 0 {
		f.end()
		<-f.ctx.Done()
		return 0, f.ctx.Err()
	}
	if f.left -= len(p); f.left <= 0 {
		return 0, errDiskFull
	}
	return len(p), nil
}

func (r Rig) runsOn(t *testing.T) {
	s := r.site(t)
	m := s.start()
	conn := s.say("echo")
	for name, c := range map[string]struct {
		left int
		want error
	}{
		"the first write fails": {0, errDiskFull},
		"nobody waits for it":   {-1, context.Canceled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := m.Suspend(ctx, &failing{left: c.left, ctx: ctx, end: cancel})
		cancel()
		if !errors.Is(err, fault.Unavailable) || !errors.Is(err, c.want) {
			t.Errorf("%s: suspending gave %v", name, err)
		}
		s.next(m, vmm.Paused)
		s.next(m, vmm.Resumed)
		s.echo(conn, name)
	}
	if err := m.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.next(m, vmm.Paused)
	if _, err := m.Suspend(t.Context(), &failing{}); !errors.Is(err, errDiskFull) {
		t.Errorf("suspending a paused machine gave %v", err)
	}
	select {
	case e := <-m.Events():
		t.Errorf("a paused machine has the event %+v", e)
	default:
	}
	_ = m.Signal(syscall.SIGKILL)
	s.over(m)
	if _, err := m.Suspend(t.Context(), &failing{}); err == nil {
		t.Error("suspending what has ended gave no error")
	}
}

func (r Rig) refusesSuspended(t *testing.T) {
	s := r.site(t)
	m := s.start()
	good := r.suspend(t, m)
	s.next(m, vmm.Paused)
	_ = m.Signal(syscall.SIGTERM)
	s.over(m)
	taken := errors.New("somebody else goes on from it")
	for name, c := range map[string]struct {
		change func(*vmm.Spec)
		says   string
	}{
		"another number of CPUs": {func(s *vmm.Spec) { s.VCPU++ }, "shape"},
		"another clock":          {func(s *vmm.Spec) { s.Resume.TSCKHz = 2*s.Resume.TSCKHz + 1000 }, "its clock would be wrong"},
		"a claim that fails":     {func(s *vmm.Spec) { s.Resume.Claim = func() error { return taken } }, taken.Error()},
		"nonsense": {func(s *vmm.Spec) {
			f, err := os.CreateTemp(t.TempDir(), "")
			if err == nil {
				_, err = f.WriteString(strings.Repeat("no machine ", 100))
			}
			if _, seek := f.Seek(0, 0); err != nil || seek != nil {
				t.Fatal(err, seek)
			}
			t.Cleanup(func() { _ = f.Close() })
			s.Resume.From = f
		}, "cannot go on from the saved machine"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := good.From.Seek(0, 0); err != nil {
				t.Fatal(err)
			}
			from := good
			other := r
			other.Spec.Resume = &from
			c.change(&other.Spec)
			s := other.site(t)
			m, err := r.New().Start(t.Context(), s.spec(), s.Site)
			if err == nil {
				t.Error("it started")
				_ = m.Signal(syscall.SIGKILL)
				s.over(m)
				return
			}
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v; want one that says %q", err, c.says)
			}
			s.nothingLeft()
		})
	}
}

func (r Rig) noSuspends(t *testing.T) {
	s := r.site(t)
	m := s.start()
	conn := s.say("echo")
	if _, err := m.Suspend(t.Context(), &failing{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("suspending gave %v", err)
	}
	s.echo(conn, "it runs on")
	_ = m.Signal(syscall.SIGKILL)
	s.over(m)
}
