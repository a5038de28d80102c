package drivers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

func TestAJailIsNotReplacedByAnotherDriver(t *testing.T) {
	host := &vmm.Host{
		Arch: "amd64", User: "ann",
		LookPath: func(name string) (string, error) { return "/bin/" + name, nil },
		Version: func(_ context.Context, path string) (string, error) {
			if path == "/bin/firecracker" {
				return "Firecracker v1.16.1", nil
			}
			return "QEMU emulator version 9.0.0", nil
		},
		OpenRW:   func(string) error { return nil },
		ReadHead: func(string, int64) ([]byte, error) { return []byte("flags : vmx\n"), nil },

		Namespaces: func(context.Context) error { return nil },
	}
	if _, err := Choose(Look(t.Context(), host, Config{}), Auto); err != nil {
		t.Fatal(err)
	}
	_, err := Choose(Look(t.Context(), host, Config{Jailer: true}), Auto)
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "jailer needs root") {
		t.Errorf("without root another driver is chosen: %v", err)
	}
	_, err = Choose(Look(t.Context(), host, Config{Jailer: true}), "qemu-tcg")
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "qemu-tcg has no jailer") {
		t.Errorf("a driver without a jailer is chosen: %v", err)
	}
}

func TestEveryNameHasItsDriver(t *testing.T) {
	names := Names()
	if !slices.Equal(names, []string{"firecracker", "qemu-kvm", "qemu-tcg"}) { // specs and configurations of users have them
		t.Errorf("the names are %v", names)
	}
	for _, name := range names {
		if d, err := Named(name); err != nil || d.Name() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Named("xen"); !errors.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err).String(), "auto or firecracker or qemu-kvm or qemu-tcg") {
		t.Errorf("xen: %v, hint %q", err, fault.HintOf(err).String())
	}
}

func TestEachDriverLooksForItsOwnProgram(t *testing.T) {
	host := &vmm.Host{
		Arch: "amd64", LookPath: func(name string) (string, error) { return "", errors.New("no " + name) },
		OpenRW: func(string) error { return nil }, ReadHead: func(string, int64) ([]byte, error) { return nil, nil },
	}
	findings := Look(t.Context(), host, Config{QEMU: "the-vmm", Firecracker: "the-vmm"})
	if len(findings) != len(Names()) {
		t.Fatalf("%d findings", len(findings))
	}
	for i, f := range findings {
		if cause, bad := f.Cause(); f.Driver != Names()[i] || !bad || !strings.Contains(cause.Reason, "no the-vmm") {
			t.Errorf("%+v", f)
		}
	}
}

func TestChoose(t *testing.T) {
	can := func(name string) vmm.Finding { return vmm.Finding{Driver: name} }
	cannot := func(name string) vmm.Finding {
		return vmm.Finding{Driver: name, Facts: []vmm.Fact{{State: vmm.Missing, Reason: "no " + name, Remedy: "get " + name}}}
	}
	for _, c := range []struct {
		name     string
		findings []vmm.Finding
		ask      string
		want     string
		err      string // of Unavailable; empty: none
		hint     string
	}{
		{"the first that can", []vmm.Finding{can("a"), can("b")}, Auto, "a", "", ""},
		{"the next that can", []vmm.Finding{cannot("a"), can("b")}, Auto, "b", "", ""},
		{"none can", []vmm.Finding{cannot("a"), cannot("b")}, Auto, "b", "no b", "get b"},
		{"named", []vmm.Finding{can("a"), can("b")}, "b", "b", "", ""},
		{"named, cannot", []vmm.Finding{cannot("a"), can("b")}, "a", "a", "cannot use the configured driver a: no a", `get a, or set driver = "auto"`},
		{"named, none can", []vmm.Finding{cannot("a"), cannot("b")}, "a", "a", "cannot use the configured driver a: no a", "get a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Choose(c.findings, c.ask)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got.Driver != c.want || text != c.err || fault.HintOf(err).String() != c.hint || err != nil && !errors.Is(err, fault.Unavailable) {
				t.Errorf("%q, %v, hint %q", got.Driver, err, fault.HintOf(err).String())
			}
		})
	}
	if _, err := Choose([]vmm.Finding{can("a")}, "xen"); !errors.Is(err, fault.Invalid) {
		t.Errorf("a name without a finding gave %v", err)
	}
}

func TestChooseForAMachineThatNotAllCanRun(t *testing.T) {
	missing := vmm.Finding{Driver: "c", Facts: []vmm.Fact{{State: vmm.Missing, Reason: "no c", Remedy: "get c"}}}
	findings := []vmm.Finding{missing, {Driver: "a"}, {Driver: "b"}}
	for _, tt := range []struct{ name, suited, want, err string }{
		{Auto, "a b c", "a", ""},
		{Auto, "b c", "b", ""},
		{Auto, "c", "a", "a does not do"},
		{"a", "b c", "a", "a does not do"},
		{"b", "b", "b", ""},
		{"c", "c", "c", `cannot use the configured driver c: no c`},
	} {
		got, err := ChooseFor(findings, tt.name, func(f vmm.Finding) error {
			if strings.Contains(tt.suited, f.Driver) {
				return nil
			}
			return errors.New(f.Driver + " does not do")
		})
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got.Driver != tt.want || text != tt.err {
			t.Errorf("%s where %q can: %q, %v; want %s, %q", tt.name, tt.suited, got.Driver, err, tt.want, tt.err)
		}
	}
}

func TestNeedsOfADriver(t *testing.T) {
	if needs, err := Needs("qemu-tcg", "/q"); err != nil || !slices.Contains(needs.Read, "/q") {
		t.Errorf("%+v, %v", needs, err)
	}
	if _, err := Needs("xen", "/q"); !errors.Is(err, fault.Invalid) {
		t.Errorf("xen: %v", err)
	}
}

func TestADriverThatIsAskedForHasNoSubstitute(t *testing.T) {
	findings := []vmm.Finding{{Driver: "a", Facts: []vmm.Fact{{State: vmm.Missing, Reason: "no a", Remedy: "get a"}}}, {Driver: "b"}}
	if f, err := Of(findings, "b"); err != nil || f.Driver != "b" {
		t.Errorf("b: %+v, %v", f, err)
	}
	if _, err := Of(findings, "a"); !errors.Is(err, fault.Unavailable) || err.Error() != "no a" || fault.HintOf(err).String() != "get a" {
		t.Errorf("a: %v", err)
	}
	if _, err := Of(findings, "c"); !errors.Is(err, fault.Invalid) {
		t.Errorf("c: %v", err)
	}
}
