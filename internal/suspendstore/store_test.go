package suspendstore

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

const content = "a machine as it was"

func machine(to io.Writer) (vm.Suspension, error) {
	_, err := io.WriteString(to, content)
	return vm.Suspension{StartID: "start", Shape: "shape", TSCKHz: 7}, err
}

func newVM(t *testing.T) (*Store, statedir.VM) {
	t.Helper()
	dirs := statedir.Dirs{State: t.TempDir()}
	dir := dirs.VM("id")
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	return New(dirs), dir
}

func wantNothing(t *testing.T, dir statedir.VM) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(string(dir), "*")); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

func TestAMachineIsStoredAndClaimedOnce(t *testing.T) {
	s, dir := newVM(t)
	if _, err := s.Find(t.Context(), "id"); !errors.Is(err, fault.NotFound) {
		t.Errorf("without one it is %v", err)
	}
	if err := Write(t.Context(), dir, 1<<20, machine); err != nil {
		t.Fatal(err)
	}
	about, f, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if found, err := s.Find(t.Context(), "id"); err != nil || found.StartID != "start" || found.Bytes != int64(len(content)) {
		t.Errorf("found is %+v, %v", found, err)
	}
	if about.Shape != "shape" || about.TSCKHz != 7 {
		t.Errorf("it is %+v", about)
	}
	if err := Claim(dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(t.Context(), dir); !errors.Is(err, fault.NotFound) {
		t.Errorf("opened again it is %v", err)
	}
	if got, err := io.ReadAll(f); string(got) != content || err != nil {
		t.Errorf("what was opened reads %q, %v", got, err)
	}
	if err := errors.Join(Claim(dir), Sweep(t.Context(), dir)); err != nil {
		t.Errorf("claimed twice: %v", err)
	}
	wantNothing(t, dir)
}

func TestACrashAfterAnyStepLeavesAllOrNothing(t *testing.T) {
	steps := (&writing{}).steps(t.Context())
	for n := range len(steps) + 1 {
		s, dir := newVM(t)
		w := &writing{dir: dir, staged: dir.Suspended().Staged(), machine: machine, left: 1 << 20}
		for _, step := range w.steps(t.Context())[:n] {
			if err := step.run(); err != nil {
				t.Fatal(step.name, err)
			}
		}
		_, err := s.Find(t.Context(), "id")
		if whole := n == len(steps); whole != (err == nil) || !whole && !errors.Is(err, fault.NotFound) {
			t.Errorf("after %d steps it is %v", n, err)
		}
		if err := Write(t.Context(), dir, 1<<20, machine); n < len(steps) && err != nil {
			t.Errorf("after %d steps the next suspension gave %v", n, err)
		}
		if err := s.Discard(t.Context(), "id"); err != nil {
			t.Error(err)
		}
		wantNothing(t, dir)
	}
}

func TestWhatCannotBeWrittenLeavesNothing(t *testing.T) {
	broken := errors.New("the VMM is gone")
	for name, c := range map[string]struct {
		machine Machine
		want    error
	}{
		"the machine fails": {func(to io.Writer) (vm.Suspension, error) {
			_, _ = io.WriteString(to, content)
			return vm.Suspension{}, broken
		}, broken},
		"it writes more than it can be": {func(to io.Writer) (vm.Suspension, error) {
			_, err := io.Copy(to, io.LimitReader(zeros{}, 2*beside))
			return vm.Suspension{}, err
		}, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, dir := newVM(t)
			if err := Write(t.Context(), dir, 1<<20, c.machine); !errors.Is(err, c.want) {
				t.Errorf("the error is %v", err)
			}
			wantNothing(t, dir)
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAMachineThatIsNotAsItWasIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(s statedir.Suspended) error
		says string
	}{
		"missing": {func(s statedir.Suspended) error { return os.Remove(s.Machine()) }, "is missing"},
		"short":   {func(s statedir.Suspended) error { return os.Truncate(s.Machine(), 3) }, "has 3 bytes"},
		"changed": {func(s statedir.Suspended) error {
			return os.WriteFile(s.Machine(), []byte(strings.ToUpper(content)), 0o600)
		}, "is damaged"},
		"no manifest":    {func(s statedir.Suspended) error { return os.Remove(s.Manifest()) }, "manifest.json"},
		"nonsense":       {func(s statedir.Suspended) error { return os.WriteFile(s.Manifest(), []byte("x"), 0o600) }, "manifest.json"},
		"another format": {func(s statedir.Suspended) error { return os.WriteFile(s.Manifest(), []byte(`{"format":9}`), 0o600) }, "format 9"},
		"a link": {func(s statedir.Suspended) error {
			return errors.Join(os.Remove(s.Machine()), os.Symlink("/dev/zero", s.Machine()))
		}, "machine"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := newVM(t)
			if err := Write(t.Context(), dir, 1<<20, machine); err != nil {
				t.Fatal(err)
			}
			if err := c.harm(dir.Suspended()); err != nil {
				t.Fatal(err)
			}
			_, f, err := Open(t.Context(), dir)
			if err == nil || errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v; want one that says %q", err, c.says)
			}
			if f != nil {
				t.Error("it is open")
			}
			if err := s.Discard(t.Context(), "id"); err != nil {
				t.Error(err)
			}
			wantNothing(t, dir)
		})
	}
}

func TestNobodyWaitsForTheChecking(t *testing.T) {
	_, dir := newVM(t)
	if err := Write(t.Context(), dir, 1<<20, machine); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Open(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
