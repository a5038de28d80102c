package vmmtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guest"
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
	t.Run("what does not start leaves nothing", rig.noStart)
}

// site is one place for machines, and what is known of it.
type site struct {
	vmm.Site
	t    *testing.T
	rig  Rig
	nics chan net.Conn
}

func (r Rig) site(t *testing.T) *site {
	s := &site{t: t, rig: r, nics: make(chan net.Conn, 4)}
	s.Site = vmm.Site{
		Dir: t.TempDir(), Console: io.Discard, Log: slog.New(slog.DiscardHandler),
		NIC: func(conn net.Conn) { s.nics <- conn },
	}
	return s
}

// start starts a machine with a NIC, and sees to its end.
func (s *site) start() vmm.Machine {
	s.t.Helper()
	spec := s.rig.Spec
	spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 1500}
	m, err := s.rig.New().Start(s.t.Context(), spec, s.Site)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = m.Signal(syscall.SIGKILL)
		for range m.Events() {
		}
	})
	if m.PID() <= 0 {
		s.t.Errorf("the process id is %d", m.PID())
	}
	return m
}

// over waits for the end, after which nothing may be left.
func (s *site) over(m vmm.Machine) vmm.Exit {
	s.t.Helper()
	limit := time.AfterFunc(s.rig.Limit, func() {
		s.t.Error("the machine does not end")
		_ = m.Signal(syscall.SIGKILL)
	})
	defer limit.Stop()
	var last vmm.Event
	for e := range m.Events() {
		last = e
	}
	if last.Kind != vmm.Exited {
		s.t.Fatalf("the last event is %+v", last)
	}
	s.nothingLeft()
	return last.Exit
}

func (s *site) nothingLeft() {
	s.t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		s.t.Errorf("%s is left", e.Name())
	}
	for len(s.nics) > 0 {
		nic := <-s.nics
		limit := time.AfterFunc(s.rig.Limit, func() {
			s.t.Error("the NIC's other end is open")
			_ = nic.Close()
		})
		_, _ = io.Copy(io.Discard, nic) // ends when the other end is closed
		limit.Stop()
		_ = nic.Close()
	}
}

// dial connects to the guest, once it listens.
func (s *site) dial() net.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), s.rig.Limit)
	defer cancel()
	for {
		conn, err := guest.Dial(ctx, filepath.Join(s.Dir, vmm.VsockSocket), s.rig.Port)
		if err == nil {
			s.t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		timer := time.NewTimer(10 * time.Millisecond)
		select {
		case <-ctx.Done():
			s.t.Fatalf("the guest cannot be dialled: %v", err)
		case <-timer.C:
		}
	}
}

func (s *site) echo(conn net.Conn, text string) {
	s.t.Helper()
	if err := conn.SetDeadline(time.Now().Add(s.rig.Limit)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		s.t.Errorf("the echo of %q is %q, %v", text, got, err)
	}
}

func (s *site) say(command string) net.Conn {
	s.t.Helper()
	conn := s.dial()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// next is an event that is there already.
func (s *site) next(m vmm.Machine, want vmm.EventKind) {
	s.t.Helper()
	select {
	case e := <-m.Events():
		if e.Kind != want {
			s.t.Errorf("the event is %+v; want the kind %d", e, want)
		}
	default:
		s.t.Error("no event is there, though the method has returned")
	}
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
	stale, err := net.Listen("unix", filepath.Join(s.Dir, vmm.VsockSocket))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close()
	m = s.start()
	s.echo(s.say("echo"), "again")
	s.press(m)
	if e := s.over(m); e.Cause != vmm.GuestReset {
		t.Errorf("by ctrl-alt-del the exit is %+v", e)
	}
}

// press presses ctrl-alt-del until the machine ends: a guest's keyboard may come
// later than its first words.
func (s *site) press(m vmm.Machine) {
	ctx, cancel := context.WithTimeout(s.t.Context(), s.rig.Limit)
	s.t.Cleanup(cancel)
	if err := m.Press(ctx); err != nil {
		s.t.Errorf("ctrl-alt-del: %v", err)
	}
	go func() {
		for ticks := time.NewTicker(time.Second); ctx.Err() == nil && m.Press(ctx) == nil; {
			select {
			case <-ticks.C:
			case <-ctx.Done():
			}
		}
	}()
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
			spec := r.Spec
			spec.Program = c.program
			spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 1500}
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

// lockedBuffer takes the console of a machine.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
