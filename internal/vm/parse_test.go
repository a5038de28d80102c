package vm_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestParseWait(t *testing.T) {
	for in, want := range map[string]string{
		"": "ready", "ready": "ready", "started": "started", "none": "none", "port:1": "port:1", "port:65535": "port:65535",
	} {
		if got, err := vm.ParseWait(in); err != nil || got.String() != want {
			t.Errorf("ParseWait(%q) = %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"Ready", "port", "port:", "port:0", "port:65536", "port:-1", "port:+1", "port:http", "soon"} {
		_, err := vm.ParseWait(in)
		wantFault(t, err, fault.Invalid, in)
	}
}

func TestParseSignal(t *testing.T) {
	for in, want := range map[string]int{"": 9, "KILL": 9, "SIGKILL": 9, "sigterm": 15, "term": 15, "9": 9, "64": 64} {
		if got, err := vm.ParseSignal(in); err != nil || got != want {
			t.Errorf("ParseSignal(%q) = %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"0", "-9", "65", "SIGSIGKILL", "NOPE", "9x"} {
		_, err := vm.ParseSignal(in)
		wantFault(t, err, fault.Invalid, in)
	}
}

func TestEveryNameThatPassesIsALabel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-zA-Z0-9.\-_ é]{0,70}`).Draw(t, "name")
		if vm.ValidateName(name) != nil {
			return
		}
		if len(name) < 1 || len(name) > 63 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") {
			t.Fatalf("%q passed", name)
		}
	})
}

// What answers by these names under .vm is no VM.
func TestNamesThatAreTaken(t *testing.T) {
	for _, name := range []string{"host", "gateway", "localhost"} {
		wantFault(t, vm.ValidateName(name), fault.Invalid, name+".vm is not a VM")
	}
	if err := vm.ValidateName("hosts"); err != nil {
		t.Error(err)
	}
}

func FuzzParseWait(f *testing.F) {
	for _, seed := range []string{"", "ready", "port:80", "port:99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		wait, err := vm.ParseWait(in)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("ParseWait(%q) = %v", in, err)
			}
			return
		}
		if again, err := vm.ParseWait(wait.String()); err != nil || again != wait {
			t.Fatalf("ParseWait(%q) = %v, which reads as %v, %v", in, wait, again, err)
		}
	})
}

func FuzzParseSignal(f *testing.F) {
	for _, seed := range []string{"", "KILL", "sigterm", "9", "-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		n, err := vm.ParseSignal(in)
		if err == nil && (n < 1 || n > 64) || err != nil && !errors.Is(err, fault.Invalid) {
			t.Fatalf("ParseSignal(%q) = %d, %v", in, n, err)
		}
	})
}
