package vmmtest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// diskBytes is the length of a disk of the tests.
const diskBytes = 1 << 20

// Pinned makes a disk at path, and returns what it is.
func Pinned(t *testing.T, path string) *vmm.Pin {
	t.Helper()
	if err := os.WriteFile(path, make([]byte, diskBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no stat")
	}
	return &vmm.Pin{Bytes: info.Size(), ModifiedAt: info.ModTime(), Inode: stat.Ino}
}

func (r Rig) pinned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	disk := vmm.Disk{Name: "pinned", Path: path, ReadOnly: true, Pin: Pinned(t, path)}
	r.Spec.Disks = append(slices.Clone(r.Spec.Disks), disk)
	s := r.site(t)
	m := s.start() // as it was
	if err := m.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.over(m)
	if err := os.Chtimes(path, time.Time{}, disk.Pin.ModifiedAt.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	m, err := r.New().Start(t.Context(), r.Spec, s.Site)
	if err == nil {
		t.Error("the changed disk is booted")
		_ = m.Signal(syscall.SIGKILL)
		s.over(m)
		return
	}
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), path+" has changed") {
		t.Errorf("the error is %v", err)
	}
	if fault.HintOf(err).String() == "" {
		t.Error("the error has no hint")
	}
	s.nothingLeft()
}
