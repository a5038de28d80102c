package vmmtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/vmm"
)

// crashes is a machine that is killed together with the process that started it: nobody
// cleans up, and another machine starts in its place.
func (r Rig) crashes(t *testing.T) {
	s := r.site(t)
	m := s.start()
	s.echo(s.say("echo"), "before")
	putBack := s.keep()
	if err := m.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.over(m)
	putBack()
	s.sweep(s.Dir) // the sweep is done once the monitor is known to be gone
	m = s.start()
	s.echo(s.say("echo"), "after")
	s.say("poweroff")
	if e := s.over(m); e.Cause != vmm.GuestOff {
		t.Errorf("the exit is %+v", e)
	}
	s.sweep(s.Dir)
	s.sweep(filepath.Join(s.Dir, "never-was"))
	s.nothingLeft()
	for _, disk := range r.Spec.Disks {
		if _, err := os.Stat(disk.Path); disk.Path != "" && err != nil {
			t.Errorf("the sweep took a disk: %v", err)
		}
	}
}

// sweep sweeps a run directory, and again.
func (s *site) sweep(dir string) {
	s.t.Helper()
	for range 2 {
		if err := s.rig.New().Sweep(dir, s.spec()); err != nil {
			s.t.Errorf("the sweep of %s: %v", dir, err)
		}
	}
}

// keep keeps the files and sockets that are in the run directory now, and returns what
// puts them back there.
func (s *site) keep() (putBack func()) {
	s.t.Helper()
	kept := s.t.TempDir()
	link := func(from, to string) {
		entries, err := os.ReadDir(from)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	link(s.Dir, kept)
	return func() { link(kept, s.Dir) }
}
