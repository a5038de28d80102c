package vmmtest

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
)

// Rig is a driver under test.
type Rig struct {
	// New makes the driver.
	New func() vmm.Driver
	// Spec is a machine without a NIC. Its guest takes one command a stream on Port, a
	// word and a newline: "echo" sends back what follows, "poweroff" and "reboot" are
	// obeyed at once, and so is ctrl-alt-del, as a reboot.
	Spec vmm.Spec
	Port uint32
	// Confine is the Site's.
	Confine []string
	// CannotSave: the driver says that it saves no machines.
	CannotSave bool
	// Limit bounds any wait for the guest.
	Limit time.Duration
}

// Contract checks what all that runs machines builds on.
func Contract(t *testing.T, rig Rig) {
	t.Run("a guest is dialled, pauses, resumes and powers off", rig.wholeLife)
	t.Run("a guest that resets says so, and another machine starts in its place", rig.resets)
	t.Run("pause and resume are events before they return", rig.pauses)
	t.Run("SIGTERM ends it in order", rig.terminated)
	t.Run("SIGKILL is told, and after the end nothing harms", rig.killed)
	t.Run("after a crash another machine starts, and cleaning up twice harms nothing", rig.crashes)
	t.Run("a disk that is not as it was when it was pinned is not booted", rig.pinned)
	t.Run("what does not start leaves nothing", rig.noStart)
	t.Run("a machine that was not started to be saved cannot be, and ends", rig.notSaved)
	if rig.CannotSave {
		t.Run("no machine can be suspended, which is said, and it runs on", rig.noSuspends)
		t.Run("no machine can be saved, which is said", rig.noSaves)
		return
	}
	t.Run("a machine is suspended, runs on, and is suspended and resumed", rig.suspends)
	t.Run("a machine whose suspension cannot be written runs on", rig.runsOn)
	t.Run("what is no suspended machine of this shape is refused and leaves nothing", rig.refusesSuspended)
	t.Run("two machines go on from a saved one, with other disks", rig.saved)
	t.Run("what is not a saved machine of this shape is refused and leaves nothing", rig.refusesSaved)
}

func (r Rig) wholeLife(t *testing.T) {
	s := r.site(t)
	var console lockedBuffer
	s.Console = &console
	m := s.start()
	conn := s.say("echo")
	s.echo(conn, "before")
	if err := m.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.next(m, vmm.Paused)
	if err := m.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.next(m, vmm.Resumed)
	s.echo(conn, "what was open stays open")
	s.echo(s.say("echo"), "what is new opens")
	if c, err := m.Counters(t.Context()); err != nil || c.DiskReadBytes < 0 || c.DiskErrors != 0 {
		t.Errorf("the counters are %+v, %v", c, err)
	}
	for _, disk := range r.Spec.Disks {
		if m.DiskSerial(disk.Name) == "" {
			t.Errorf("disk %s has no serial", disk.Name)
		}
	}
	s.say("poweroff")
	if e := s.over(m); e.Cause != vmm.GuestOff || e.Signal != 0 || e.Detail == "" {
		t.Errorf("the exit is %+v\n%s", e, console.String())
	}
}

func (r Rig) resets(t *testing.T) {
	s := r.site(t)
	m := s.start()
	s.say("reboot")
	if e := s.over(m); e.Cause != vmm.GuestReset || e.Detail == "" {
		t.Errorf("the exit is %+v", e)
	}
	// What a monitor that was killed leaves.
	stale, err := statedir.ListenUnix(filepath.Join(s.Dir, vmm.VsockSocket))
	if err != nil {
		t.Fatal(err)
	}
	_ = stale.Close()
	m = s.start()
	s.echo(s.say("echo"), "again")
	s.press(m)
	if e := s.over(m); e.Cause != vmm.GuestReset {
		t.Errorf("by ctrl-alt-del the exit is %+v", e)
	}
}

func (r Rig) pauses(t *testing.T) {
	s := r.site(t)
	m := s.start()
	for range 2 {
		if err := m.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.next(m, vmm.Paused)
	for range 2 {
		if err := m.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.next(m, vmm.Resumed)
	select {
	case e := <-m.Events():
		t.Errorf("what was done already is an event: %+v", e)
	default:
	}
}

func (r Rig) terminated(t *testing.T) {
	s := r.site(t)
	m := s.start()
	if err := m.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e := s.over(m); e.Cause != vmm.HostShutdown || e.Signal != 0 {
		t.Errorf("the exit is %+v", e)
	}
}

func (r Rig) killed(t *testing.T) {
	s := r.site(t)
	m := s.start()
	if err := m.Pause(t.Context()); err != nil { // a paused one dies too
		t.Fatal(err)
	}
	if err := m.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := s.over(m); e.Cause != vmm.Failed || e.Signal != int(syscall.SIGKILL) || e.Detail == "" {
		t.Errorf("the exit is %+v", e)
	}
	for name, do := range map[string]func(context.Context) error{"pause": m.Pause, "resume": m.Resume, "press": m.Press} {
		if err := do(t.Context()); err == nil {
			t.Errorf("%s after the end gave no error", name)
		}
	}
	if _, err := m.Counters(t.Context()); err == nil {
		t.Error("counters after the end gave no error")
	}
	if err := m.Signal(syscall.SIGKILL); err != nil {
		t.Errorf("a signal after the end gave %v", err)
	}
}

func (r Rig) noStart(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx     context.Context
		program string
	}{
		"no program":          {t.Context(), filepath.Join(t.TempDir(), "none")},
		"one that ends":       {t.Context(), "/bin/false"},
		"one that is no VMM":  {t.Context(), "/bin/cat"},
		"nobody waits for it": {cancelled, r.Spec.Program},
	} {
		t.Run(name, func(t *testing.T) {
			s := r.site(t)
			spec := s.spec()
			spec.Program = c.program
			m, err := r.New().Start(c.ctx, spec, s.Site)
			if err == nil {
				t.Error("it started")
				_ = m.Signal(syscall.SIGKILL)
				s.over(m)
				return
			}
			if c.ctx.Err() == nil && !errors.Is(err, fault.Unavailable) {
				t.Errorf("the error is %v", err)
			}
			s.nothingLeft()
		})
	}
}
