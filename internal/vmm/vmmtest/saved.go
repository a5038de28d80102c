package vmmtest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// withDisk returns the rig with one more disk, of its own.
func (r Rig) withDisk(t *testing.T) Rig {
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, diskBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Spec.Disks = append(slices.Clone(r.Spec.Disks), vmm.Disk{Name: "own", Path: path})
	return r
}

// save saves a machine that answers.
func (r Rig) save(t *testing.T) vmm.Saved {
	t.Helper()
	r = r.withDisk(t)
	r.Spec.Saves = true
	s := r.site(t)
	m := s.start()
	conn := s.say("echo")
	s.echo(conn, "before it is saved")
	_ = conn.Close()
	saved, err := m.Save(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = saved.Close() })
	if e := s.over(m); e.Cause != vmm.HostShutdown {
		t.Errorf("a saved machine's exit is %+v", e)
	}
	return saved
}

// saved has two machines go on from one, at once, in other places and with other disks.
func (r Rig) saved(t *testing.T) {
	from := r.save(t)
	var sites []*site
	var machines []vmm.Machine
	for range 2 {
		clone := r.withDisk(t)
		clone.Spec.Name, clone.Spec.From = "clone", &from
		s := clone.site(t)
		sites, machines = append(sites, s), append(machines, s.start())
	}
	for i, m := range machines {
		select {
		case e := <-m.Events():
			t.Errorf("that it goes on is an event: %+v", e)
		default:
		}
		sites[i].echo(sites[i].say("echo"), "after")
	}
	if err := machines[0].Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	sites[0].next(machines[0], vmm.Paused)
	if err := machines[0].Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	sites[0].next(machines[0], vmm.Resumed)
	for i, m := range machines {
		sites[i].say("poweroff")
		if e := sites[i].over(m); e.Cause != vmm.GuestOff {
			t.Errorf("the exit of a clone is %+v", e)
		}
	}
}

// notSaved has a machine that was not started to be saved refuse it, and end.
func (r Rig) notSaved(t *testing.T) {
	s := r.site(t)
	m := s.start()
	if _, err := m.Save(t.Context()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("saving gave %v", err)
	}
	s.over(m)
	if _, err := m.Save(t.Context()); err == nil {
		t.Error("saving what has ended gave no error")
	}
}

// refusesSaved has no machine go on from what is not its own.
func (r Rig) refusesSaved(t *testing.T) {
	good := r.save(t)
	short, err := Saved(good.Shape, "x", r.Spec.MemoryBytes/2)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := Saved(good.Shape, strings.Repeat("no machine ", 100), r.Spec.MemoryBytes)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := Saved(good.Shape, "", r.Spec.MemoryBytes)
	if err != nil {
		t.Fatal(err)
	}
	open, err := vmm.NewMemoryFile("memory", r.Spec.MemoryBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(short.Close(), foreign.Close(), empty.Close(), open.Close()) })
	for _, s := range []*vmm.Saved{&short, &foreign, &empty} {
		s.TSCKHz = good.TSCKHz
	}
	otherRate := good
	otherRate.TSCKHz = good.TSCKHz*2 + 1000
	same := func(*vmm.Spec) {}
	for name, c := range map[string]struct {
		from   vmm.Saved
		change func(*vmm.Spec)
		says   string
	}{
		"another number of CPUs":  {good, func(s *vmm.Spec) { s.VCPU++ }, "shape"},
		"another size of memory":  {good, func(s *vmm.Spec) { s.MemoryBytes *= 2 }, "shape"},
		"another number of disks": {good, func(s *vmm.Spec) { s.Disks = s.Disks[:len(s.Disks)-1] }, "shape"},
		"another clock":           {otherRate, same, "its clock would be wrong"},
		"a short memory":          {short, same, "memory has"},
		"no memory":               {vmm.Saved{Shape: good.Shape, TSCKHz: good.TSCKHz, State: good.State}, same, "no memory"},
		"no state":                {vmm.Saved{Shape: good.Shape, TSCKHz: good.TSCKHz, Memory: good.Memory}, same, "no state"},
		"an empty state":          {empty, same, "state has 0 bytes"},
		"a foreign state":         {foreign, same, "cannot go on from the saved machine"},
		"a memory that can change": {
			vmm.Saved{Shape: good.Shape, TSCKHz: good.TSCKHz, State: good.State, Memory: open}, same, "memory could change",
		},
	} {
		t.Run(name, func(t *testing.T) {
			clone := r.withDisk(t)
			clone.Spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 1500}
			clone.Spec.From = &c.from
			c.change(&clone.Spec)
			s := clone.site(t)
			m, err := r.New().Start(t.Context(), clone.Spec, s.Site)
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

// noSaves is for a driver that says that it saves no machines.
func (r Rig) noSaves(t *testing.T) {
	if shape, err := r.New().Shape(r.Spec); !errors.Is(err, fault.Unavailable) {
		t.Errorf("the shape is %q, %v", shape, err)
	}
	s := r.site(t)
	r.Spec.Saves = true
	if _, err := r.New().Start(t.Context(), r.Spec, s.Site); !errors.Is(err, fault.Unavailable) {
		t.Errorf("the start gave %v", err)
	}
	s.nothingLeft()
}
