package vm_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestPublishedPortsAreChanged(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	const local = "127.0.0.1" // where nothing else is said
	want := []vm.Publish{
		{Proto: "tcp", HostPort: 80, GuestPort: 1},
		{Proto: "udp", HostPort: 80, GuestPort: 1},
		{Proto: "tcp", HostAddress: "::1", GuestPort: 2},
		{Proto: "tcp", GuestPort: 3},
	}
	asked := slices.Clone(want)
	got, err := h.svc.Set(t.Context(), "web", vm.Change{Publish: &asked})
	want[0].HostAddress, want[1].HostAddress, want[3].HostAddress = local, local, local
	if err != nil || cmp.Diff(want, got.Publish) != "" || cmp.Diff(want, h.get("web").Publish) != "" {
		t.Fatalf("Set gave %+v, %v", got.Publish, err)
	}
	h.taken.taken[netip.MustParseAddrPort(local+":81")] = true
	_, err = h.svc.Set(t.Context(), "web", vm.Change{Publish: &[]vm.Publish{{HostPort: 81, GuestPort: 1}}})
	wantFault(t, err, fault.Conflict, ":81")
	if diff := cmp.Diff(want, h.get("web").Publish); diff != "" {
		t.Errorf("after the refusal (-want +got):\n%s", diff)
	}
	if got, err := h.svc.Set(t.Context(), "web", vm.Change{Publish: &[]vm.Publish{}}); err != nil || len(got.Publish) != 0 {
		t.Errorf("Set to none gave %+v, %v", got.Publish, err)
	}
}

func TestForwards(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	for _, tt := range []struct {
		f    vm.Forward
		host string // empty: refused
	}{
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1:0", Guest: "80"}, "127.0.0.1:0"},
		{vm.Forward{Proto: "tcp", Host: "[::ffff:127.0.0.1]:81", Guest: "[::1]:80"}, "127.0.0.1:81"},
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1:82", Guest: "/run/x.sock"}, "127.0.0.1:82"},
		{vm.Forward{Proto: "unix", Host: "/tmp/x.sock", Guest: "/run/x.sock"}, "/tmp/x.sock"},
		{vm.Forward{Proto: "unix", Host: "/tmp/y.sock", Guest: "80"}, "/tmp/y.sock"},
		{vm.Forward{Proto: "unix", Host: "127.0.0.1:83", Guest: "/run/x.sock"}, "127.0.0.1:83"},
		{vm.Forward{Proto: "udp", Host: "0.0.0.0:53", Guest: "53"}, "0.0.0.0:53"},
		{vm.Forward{Proto: "udp", Host: "127.0.0.1:54", Guest: "/run/x.sock"}, ""},
		{vm.Forward{Proto: "unix", Host: "x.sock", Guest: "80"}, ""},
		{vm.Forward{Proto: "unix", Host: "x.sock", Guest: "/run/x.sock"}, ""},
		{vm.Forward{Proto: "unix", Host: "127.0.0.1:84", Guest: "80"}, ""},
		{vm.Forward{Proto: "unix", Host: "/tmp/../x.sock", Guest: "80"}, ""},
		{vm.Forward{Proto: "unix", Host: "/" + strings.Repeat("x", vm.MaxSocketPath), Guest: "80"}, ""},
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1:84", Guest: "/" + strings.Repeat("x", vm.MaxSocketPath)}, ""},
		{vm.Forward{Proto: "tcp", Host: "localhost:80", Guest: "80"}, ""},
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1", Guest: "80"}, ""},
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1:1", Guest: "0"}, ""},
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1:1", Guest: "65536"}, ""},
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1:1", Guest: "example.org:80"}, ""},
		{vm.Forward{Proto: "tcp", Host: "127.0.0.1:1", Guest: ""}, ""},
		{vm.Forward{Proto: "sctp", Host: "127.0.0.1:1", Guest: "1"}, ""},
	} {
		made, err := h.svc.AddForward(t.Context(), "web", tt.f)
		if tt.host == "" {
			wantFault(t, err, fault.Invalid)
		} else if err != nil || made.Host != tt.host {
			t.Errorf("%+v gave %+v, %v", tt.f, made, err)
		}
	}
	_, ports, err := h.svc.Ports(t.Context(), "web")
	if err != nil || len(ports.Forwards) != 7 {
		t.Errorf("Ports gave %+v, %v", ports, err)
	}
	if err := h.svc.RemoveForward(t.Context(), "web", vm.Forward{Proto: "unix", Host: "/tmp/x.sock"}); err != nil {
		t.Error(err)
	}
	wantFault(t, h.svc.RemoveForward(t.Context(), "web", vm.Forward{Proto: "unix", Host: "/tmp/x.sock"}), fault.NotFound)
	if stats, err := h.svc.Stats(t.Context(), h.get("web")); err != nil || stats.Flows != 3 {
		t.Errorf("Stats gave %+v, %v", stats, err)
	}
	h.create("idle", false)
	_, err = h.svc.AddForward(t.Context(), "idle", vm.Forward{Proto: "tcp", Host: "127.0.0.1:0", Guest: "80"})
	wantFault(t, err, fault.Conflict, "idle")
}

func FuzzForward(f *testing.F) {
	f.Add("tcp", "127.0.0.1:80", "80")
	f.Add("unix", "/a", "/b")
	f.Add("unix", "127.0.0.1:80", "/b")
	f.Fuzz(func(t *testing.T, proto, host, guest string) {
		done, err := vm.CompleteForward(vm.Forward{Proto: proto, Host: host, Guest: guest})
		if err != nil {
			return
		}
		if again, err := vm.CompleteForward(done); err != nil || again != done {
			t.Errorf("%+v is not stable: %+v, %v", done, again, err)
		}
	})
}
