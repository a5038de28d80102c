package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/boundlog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

func goodSpec() vm.Spec {
	return vm.Spec{
		Format: vm.SpecFormat, VMID: "id", Name: "n", StartID: "s", VCPU: 1, MemoryBytes: 1, ReadyTimeoutMillis: 1,
		Disks: []vm.Disk{{Serial: vm.SerialImage, Pin: &vm.Pin{Bytes: 7, ModifiedAt: time.Unix(8, 9).UTC(), Inode: 10}}, {Serial: vm.SerialVM}, {Serial: vm.SerialModules}},
		Guest: vm.Guest{Hostname: "h", MachineID: "m", Token: "t", HostKey: "k", Env: []string{"A=b"}, Init: vm.InitAuto, Reset: true},
	}
}

// TestDisksArePinned: the driver opens what bangerd looked at, to the nanosecond.
func TestDisksArePinned(t *testing.T) {
	data, err := json.Marshal(goodSpec())
	if err != nil {
		t.Fatal(err)
	}
	spec, err := parseSpec(data)
	if err != nil {
		t.Fatal(err)
	}
	disks := machineSpec(spec).Disks
	if p := disks[0].Pin; p == nil || p.Bytes != 7 || !p.ModifiedAt.Equal(time.Unix(8, 9)) || p.Inode != 10 || disks[1].Pin != nil {
		t.Errorf("pins %+v, %+v", p, disks[1].Pin)
	}
}

func TestSpecIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*vm.Spec){
		"newer format": func(s *vm.Spec) { s.Format++ },
		"no format":    func(s *vm.Spec) { s.Format = 0 },
		"no id":        func(s *vm.Spec) { s.VMID = "" },
		"no cpu":       func(s *vm.Spec) { s.VCPU = 0 },
		"no memory":    func(s *vm.Spec) { s.MemoryBytes = -1 },
		"no time":      func(s *vm.Spec) { s.ReadyTimeoutMillis = 0 },
	} {
		s := goodSpec()
		spoil(&s)
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseSpec(data); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v; want invalid", name, err)
		}
	}
	data, err := json.Marshal(goodSpec())
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseSpec(data)
	if diff := cmp.Diff(goodSpec(), got); err != nil || diff != "" {
		t.Errorf("a good spec: %v, %s", err, diff)
	}
}

func FuzzSpec(f *testing.F) {
	data, err := json.Marshal(goodSpec())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if spec, err := parseSpec(data); err == nil && spec.Format != vm.SpecFormat {
			t.Errorf("format %d was taken", spec.Format)
		}
	})
}

func TestConfigureSaysWhatTheSpecSays(t *testing.T) {
	known := func(disk string) string { return "known:" + disk } // as a VMM may name it
	got, err := configure(goodSpec(), known, 1, 42, []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	want := agentrpc.Configure{
		Hostname: "h", MachineID: "m", UnixNano: 42, Entropy: []byte{1},
		// The disks' names must be those that the agent protocol has.
		Disks: agentrpc.Disks{Image: "known:" + agentrpc.SerialImage, VM: "known:" + agentrpc.SerialVM, Modules: "known:" + agentrpc.SerialModules},
		Init:  agentrpc.Init{Mode: agentrpc.InitAuto, Reset: true},
		Token: "t", HostKey: "k", Env: []string{"A=b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if again, _ := configure(goodSpec(), known, 2, 42, nil); again.Init.Reset {
		t.Error("a reboot resets the disk again")
	}
	with := goodSpec()
	with.Network = &vm.Network{
		MAC: "52:54:00:00:01:02", MTU: 65520, Guest4: "198.18.1.2/15", Guest6: "fd00::102/64", Gateway4: "198.18.0.1", Gateway6: "fd00::1",
	}
	network := &agentrpc.Network{
		MAC: "52:54:00:00:01:02", MTU: 65520, Address: []string{"198.18.1.2/15", "fd00::102/64"},
		Gateway: []string{"198.18.0.1", "fd00::1"}, DNS: []string{"198.18.0.1"},
	}
	if got, err := configure(with, known, 1, 42, nil); err != nil || !cmp.Equal(got.Network, network) {
		t.Errorf("network = %+v, %v", got.Network, err)
	}
	odd := goodSpec()
	odd.Disks[0].Serial = "other"
	if _, err := configure(odd, known, 1, 42, nil); err == nil {
		t.Error("an unknown disk is no error")
	}
}

func TestConsoleIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	if err := os.WriteFile(path, []byte("the start before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := openConsole(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got := read(path + ".1"); got != "the start before\n" {
		t.Errorf("the start before is %q", got)
	}
	for range 50 {
		if n, err := c.Write([]byte("line of 16 chars")); n != 16 || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if a, b := len(read(path)), len(read(path+".1")); a > 100 || b > 100 || a+b < 100 {
		t.Errorf("the files have %d and %d bytes", a, b)
	}
}

func TestConsoleOutlivesAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	full, err := boundlog.Append(path, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &consoleLog{File: full}
	if n, err := c.Write([]byte("lost\n")); n != 5 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	if got := c.lastLines(1); got != "lost" {
		t.Errorf("the last line is %q", got)
	}
	_ = c.Close()
}

func TestLastLinesArePrintable(t *testing.T) {
	c, err := openConsole(filepath.Join(t.TempDir(), "c"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("first\nsecond\r\n\x1b[31mred\x1b[0m \xff\xfe\x00by\u009b2J\u202etes\u200b\n\n"))
	if got, want := c.lastLines(2), "second\nred \ufffd\ufffdby2Jtes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_ = c.Close()
}

func TestExitIsStagedThenRenamed(t *testing.T) {
	dir := statedir.VM(t.TempDir())
	want := vm.Exit{Format: vm.ExitFormat, StartID: "s", Reason: vm.ReasonStopped, Boots: 1, At: time.Now().UTC().Truncate(0)}
	if err := writeExit(dir, want); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir.Exit())
	if err != nil {
		t.Fatal(err)
	}
	var got vm.Exit
	if err := json.Unmarshal(data, &got); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	entries, err := os.ReadDir(string(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
	if err := writeExit(statedir.VM(filepath.Join(string(dir), "gone")), want); err == nil {
		t.Error("writing into no directory gave no error")
	}
}

func TestBoardLosesNoLastStatus(t *testing.T) {
	b := newBoard(monitorrpc.Status{})
	var watchers sync.WaitGroup
	for range 8 {
		watchers.Go(func() {
			for boots := -1; ; {
				s, changed := b.now()
				if s.Boots < boots {
					t.Errorf("boots went from %d to %d", boots, s.Boots)
				}
				if boots = s.Boots; boots == 1000 {
					return
				}
				<-changed
			}
		})
	}
	for i := range 1001 {
		b.show(monitorrpc.Status{Boots: i})
	}
	watchers.Wait()
}

// feed runs serveAgent on data, and returns what it passed on.
func feed(t *testing.T, data []byte) []agentInput {
	t.Helper()
	ours, theirs := net.Pipe()
	to := make(chan agentInput)
	done := make(chan struct{})
	go func() {
		defer close(done)
		serveAgent(context.Background(), ours, pace.New(1<<20, time.Millisecond), to, slog.New(slog.DiscardHandler))
	}()
	go func() {
		_, _ = theirs.Write(data)
		_ = theirs.Close()
	}()
	var got []agentInput
	for {
		select {
		case in := <-to:
			got = append(got, in)
		case <-done:
			return got
		}
	}
}

func TestAgentsWordsAreBounded(t *testing.T) {
	long := strings.Repeat("é\x1b", 10_000)
	data, err := json.Marshal(agentrpc.GuestMessage{Failed: &agentrpc.Failed{Stage: long, Message: long}})
	if err != nil {
		t.Fatal(err)
	}
	got := feed(t, append(data, '\n'))
	if len(got) != 2 || got[0].message == nil || got[1].message != nil {
		t.Fatalf("got %d messages", len(got))
	}
	f := got[0].message.Failed
	if len(f.Stage) > maxWord || len(f.Message) > maxText || !utf8.ValidString(f.Stage) || strings.Contains(f.Message, "\x1b") {
		t.Errorf("stage has %d bytes, message %d", len(f.Stage), len(f.Message))
	}
}

func TestAgentsEndlessLineEndsTheStream(t *testing.T) {
	got := feed(t, bytes.Repeat([]byte("x"), 2*agentrpc.MaxLine))
	if len(got) != 1 || got[0].message != nil {
		t.Errorf("got %d messages; want only the end", len(got))
	}
}

func FuzzAgentStream(f *testing.F) {
	f.Add([]byte(`{"hello":{"protocol":1}}` + "\n" + `{"ready":{"init":"agent"}}` + "\n"))
	f.Add([]byte(`{"listening":{"sockets":[{"proto":"tcp","address":"::","port":80}]}}` + "\n"))
	f.Add([]byte(`{"stage":null,"failed":{"stage":"\u0000"}}` + "\n[]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := feed(t, data)
		if len(got) == 0 || got[len(got)-1].message != nil {
			t.Error("the stream's end was not told")
		}
		for _, in := range got {
			if in.message == nil {
				continue
			}
			for _, w := range words(in.message) {
				if len(*w) > maxWord || !utf8.ValidString(*w) {
					t.Errorf("a word of %d bytes", len(*w))
				}
			}
		}
	})
}
