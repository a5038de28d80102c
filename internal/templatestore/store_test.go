package templatestore

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	testKey   = "00112233445566778899aabbccddeeff"
	memBytes  = 8 << 20
	someWords = "what the devices were"
)

// machine is a saved machine with bytes at the start, across a chunk's end and at the end of its memory.
func machine(t *testing.T) vmm.Saved {
	t.Helper()
	saved := vmm.Saved{Shape: "shape", TSCKHz: 2_000_000}
	var err error
	if saved.State, err = vmm.NewMemoryFile("state", 0); err == nil {
		_, err = saved.State.WriteString(someWords)
	}
	if err == nil {
		saved.Memory, err = vmm.NewMemoryFile("memory", memBytes)
	}
	for _, at := range []int64{0, chunk - 2, 3*chunk + page, memBytes - 4} {
		if err == nil {
			_, err = saved.Memory.WriteAt([]byte("used"), at)
		}
	}
	if err == nil { // used, and zero
		_, err = saved.Memory.WriteAt(make([]byte, 3*page), 5*chunk)
	}
	if err := errors.Join(err, vmm.Seal(saved.State), vmm.Seal(saved.Memory)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = saved.Close() })
	return saved
}

func content(t *testing.T, f *os.File) []byte {
	t.Helper()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, memBytes+1))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// stored is a store with one machine.
func stored(t *testing.T) (*Store, vmm.Saved) {
	t.Helper()
	s, saved := staged(t)
	about := template.About{Driver: "d", Kernel: "k", VCPU: 2, Disks: 3, Network: true}
	if err := s.Commit(t.Context(), testKey, about, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := s.Discard(t.Context(), testKey); err != nil {
		t.Fatal(err)
	}
	return s, saved
}

// staged is a store with a machine that waits for Commit.
func staged(t *testing.T) (*Store, vmm.Saved) {
	t.Helper()
	s := New(statedir.Dirs{Cache: t.TempDir()}, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	saved := machine(t)
	dir, err := s.Stage(t.Context(), testKey)
	if err == nil {
		err = Write(statedir.VM(dir).Saved(), saved)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, saved
}

func TestAStoredMachineIsAsItWasSaved(t *testing.T) {
	s, saved := stored(t)
	m, err := s.Hold(t.Context(), testKey)
	if err != nil || m.Shape != "shape" || m.TSCKHz != 2_000_000 || m.About.MemoryBytes != memBytes || m.About.Kernel != "k" {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
	got, err := s.Open(testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Close() }()
	if err := got.Check("shape", 2_000_000, memBytes); err != nil {
		t.Error(err)
	}
	if string(content(t, got.State)) != someWords || !bytes.Equal(content(t, got.Memory), content(t, saved.Memory)) {
		t.Error("its state or its memory is another")
	}
	if _, err := got.Memory.WriteAt([]byte("x"), 0); err == nil {
		t.Error("its memory can be changed for others")
	}
	all, err := s.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Key != testKey || all[0].Bytes <= 0 || all[0].Bytes > memBytes/10 {
		t.Errorf("the list is %+v, %v", all, err)
	}
}

func TestADamagedMachineIsRefusedByName(t *testing.T) {
	flip := func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 1
		return os.WriteFile(path, data, 0o600)
	}
	short := func(path string) error { return os.Truncate(path, 10) }
	for name, c := range map[string]struct {
		harm func(statedir.Template) error
		says string
	}{
		"no memory":          {func(d statedir.Template) error { return os.Remove(d.Memory()) }, "mem is missing"},
		"no state":           {func(d statedir.Template) error { return os.Remove(d.State()) }, "state is missing"},
		"a short memory":     {func(d statedir.Template) error { return short(d.Memory()) }, "mem has 10 bytes"},
		"a short state":      {func(d statedir.Template) error { return short(d.State()) }, "state has 10 bytes"},
		"another memory":     {func(d statedir.Template) error { return flip(d.Memory()) }, "mem is damaged"},
		"another state":      {func(d statedir.Template) error { return flip(d.State()) }, "state is damaged"},
		"no manifest's JSON": {func(d statedir.Template) error { return short(d.Manifest()) }, "manifest.json"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := stored(t)
			if err := c.harm(s.dirs.Template(testKey)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Hold(t.Context(), testKey); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it gave %v; want one that says %q", err, c.says)
			}
			if _, err := s.Open(testKey); err == nil {
				t.Error("it can be opened")
			}
		})
	}
}

func TestAMachineUnderAnotherKeyIsRefused(t *testing.T) {
	s, _ := stored(t)
	const other = "ffeeddccbbaa99887766554433221100"
	if err := os.Rename(string(s.dirs.Template(testKey)), string(s.dirs.Template(other))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), other); !errors.Is(err, fault.Unavailable) {
		t.Errorf("it gave %v", err)
	}
	if _, err := s.Hold(t.Context(), testKey); !errors.Is(err, fault.NotFound) {
		t.Errorf("what is not there gave %v", err)
	}
}

func TestWhatIsInMemoryNeedsNoFile(t *testing.T) {
	s, _ := stored(t)
	if _, err := s.Hold(t.Context(), testKey); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.dirs.Template(testKey).Memory(), 0); err != nil {
		t.Fatal(err)
	}
	saved, err := s.Open(testKey)
	if err != nil {
		t.Fatal(err)
	}
	_ = saved.Close()
	if err := s.Remove(t.Context(), testKey); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(testKey); !errors.Is(err, fault.NotFound) {
		t.Errorf("what was removed gave %v", err)
	}
}

func TestADaemonThatDiedLeavesNothing(t *testing.T) {
	s, _ := staged(t)
	if err := os.Mkdir(string(s.dirs.Template("half")), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), testKey); !errors.Is(err, fault.NotFound) {
		t.Errorf("what was not committed gave %v", err)
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.dirs.Templates()); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

func TestAMachineIsReplacedInOneStepAndSweepKeepsIt(t *testing.T) {
	s, _ := stored(t)
	dir, err := s.Stage(t.Context(), testKey)
	if err == nil {
		err = Write(statedir.VM(dir).Saved(), machine(t))
	}
	if err == nil {
		err = s.Commit(t.Context(), testKey, template.About{Kernel: "new"}, time.Unix(2, 0))
	}
	if err == nil {
		err = s.Sweep(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Hold(t.Context(), testKey); err != nil || m.About.Kernel != "new" {
		t.Errorf("it is %+v, %v", m, err)
	}
	if left, err := os.ReadDir(s.dirs.Templates()); err != nil || len(left) != 1 {
		t.Errorf("%v are there, %v", left, err)
	}
}

func TestOnlyAFewStayInMemory(t *testing.T) {
	s, _ := stored(t)
	for _, key := range []string{"a", "b", "c"} {
		if err := os.CopyFS(string(s.dirs.Template(key)), os.DirFS(string(s.dirs.Template(testKey)))); err != nil {
			t.Fatal(err)
		}
		m, err := readManifest(s.dirs.Template(key))
		m.Key = key
		if err := errors.Join(err, writeManifest(s.dirs.Template(key), m)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Hold(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if _, newest := s.held["c"]; len(s.held) != maxHeld || !newest {
		t.Errorf("%d are held, the newest %t", len(s.held), newest)
	}
}

// TestNoMemoryIsMadeOfNonsense fails for a piece that would make the memory larger, or be read
// into more than a chunk.
func TestNoMemoryIsMadeOfNonsense(t *testing.T) {
	for name, pieces := range map[string][][2]int64{
		"beyond the end":     {{memBytes - 1, 2}},
		"far beyond the end": {{1 << 62, 1}},
		"negative":           {{-1, 1}},
		"a negative length":  {{0, -1}},
		"too long":           {{0, chunk + 1}},
		"backwards":          {{page, 1}, {0, 1}},
		"another size":       {{memBytes * 2, 0}},
		"no end":             {{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var stream bytes.Buffer
			for _, p := range pieces {
				if err := writeHead(&stream, p[0], p[1]); err != nil {
					t.Fatal(err)
				}
				stream.Write(make([]byte, min(max(p[1], 0), chunk)))
			}
			memory, err := readMemory(&stream, memBytes)
			if !errors.Is(err, fault.Unavailable) {
				t.Errorf("it gave %v", err)
			}
			if memory != nil {
				_ = memory.Close()
			}
		})
	}
}
