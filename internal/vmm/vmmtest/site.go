package vmmtest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/guest"
	"github.com/bangervm/banger/internal/vmm"
)

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
		NIC: func(conn net.Conn) { s.nics <- conn }, Confine: r.Confine,
	}
	return s
}

// spec is the rig's machine with a NIC.
func (s *site) spec() vmm.Spec {
	spec := s.rig.Spec
	spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 1500}
	return spec
}

// start starts a machine with a NIC, and sees to its end.
func (s *site) start() vmm.Machine {
	s.t.Helper()
	m, err := s.rig.New().Start(s.t.Context(), s.spec(), s.Site)
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
		conn, err := guest.Client{Socket: filepath.Join(s.Dir, vmm.VsockSocket)}.Dial(ctx, s.rig.Port)
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
