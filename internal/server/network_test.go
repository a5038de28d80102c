package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/vm"
)

// network is what of the world is its VMs' network.
type network struct {
	ports    vm.Ports
	err      error // of ports, forwards and statistics
	resolves bool
	mute     bool // the agents say nothing
}

func (w *world) SetEgress(ctx context.Context, name, policy string) (vm.VM, error) {
	w.note("egress " + name + " " + policy)
	v, err := w.Get(ctx, name)
	v.Egress = policy
	return v, err
}

func (w *world) AddEgress(ctx context.Context, name string, add vm.EgressAddition) (vm.VM, error) {
	w.note(fmt.Sprintf("add %s %s for %s, always %v", name, strings.Join(add.Rules, "; "), add.For, add.Always))
	return w.SetEgress(ctx, name, "default deny\n"+strings.Join(add.Rules, "\n"))
}

func (w *world) EgressRules(context.Context) ([]string, error) {
	return []string{"allow example.org"}, w.network.err
}

func (w *world) AddEgressRules(_ context.Context, rules []string) ([]string, error) {
	return append(rules, "allow example.org"), w.network.err
}

func (w *world) RemoveEgressRules(_ context.Context, rules []string) ([]string, error) {
	w.note("no more " + strings.Join(rules, "; "))
	return nil, w.network.err
}

func (w *world) RemoveEgress(ctx context.Context, name string, rules []string) (vm.VM, error) {
	return w.SetEgress(ctx, name, "default deny\n# without "+strings.Join(rules, ", "))
}

func (w *world) TestEgress(ctx context.Context, name string, probe egress.Probe, rules []string) (egress.Answer, error) {
	w.note("test " + name + " " + probe.String() + " " + strings.Join(rules, "; "))
	_, err := w.Get(ctx, name)
	return egress.Answer{Verdict: egress.Verdict{Allow: true, Rule: "allow example.org", ByName: true}, Number: 2}, err
}

func (w *world) EgressLog(context.Context, server.LogRequest) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(`{"time":"2026-11-25T00:00:00Z","event":"deny","protocol":"tcp","rule":"default deny"}` + "\n")), nil
}

func (w *world) Resolves(_ context.Context, name string, addr netip.Addr) bool {
	return w.network.resolves && name == "web.vm" && addr.IsLoopback()
}

func (w *world) Ports(ctx context.Context, name string) (vm.VM, vm.Ports, error) {
	v, err := w.Get(ctx, name)
	return v, w.network.ports, errors.Join(err, w.network.err)
}

func (w *world) AddForward(_ context.Context, name string, f vm.Forward) (vm.Forward, error) {
	w.note("forward " + name + " " + f.Proto + " " + f.Host + " " + f.Guest)
	f.Host = "127.0.0.1:4000"
	return f, w.network.err
}

func (w *world) RemoveForward(_ context.Context, name string, f vm.Forward) error {
	w.note("remove " + name + " " + f.Host)
	return w.network.err
}

func (w *world) Stats(context.Context, vm.VM) (vm.Stats, error) {
	return vm.Stats{CPU: 5, VCPU: 2, Flows: 7, Devices: &vm.Devices{DiskReadBytes: 9, ReclaimedBytes: 4096}}, w.network.err
}

func TestEgressByTheAPI(t *testing.T) {
	f := start(t)
	got, err := f.client.VMEgress(t.Context(), "web")
	if err != nil || got.Preset != "packages" || got.Policy != "packages" || got.Default != "deny" || len(got.Rules) < 10 {
		t.Errorf("VMEgress gave %+v, %v", got, err)
	}
	got, err = f.client.SetVMEgress(t.Context(), "web", api.SetEgress{Policy: "all"})
	want := api.Egress{Policy: "all", Preset: "all", Default: "allow", Rules: []string{}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("SetVMEgress: %v (-want +got):\n%s", err, diff)
	}
	got, err = f.client.AddVMEgress(t.Context(), "web", api.AddEgress{Rules: []string{"allow any tcp/22"}})
	want = api.Egress{Policy: "default deny\nallow any tcp/22", Default: "deny", Rules: []string{"allow any tcp/22"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("AddVMEgress: %v (-want +got):\n%s", err, diff)
	}
	if _, err := f.client.RemoveVMEgress(t.Context(), "web", api.RemoveEgress{Rules: []string{"allow any tcp/22"}}); err != nil {
		t.Error(err)
	}
	if _, err := f.client.AddVMEgress(t.Context(), "web", api.AddEgress{Rules: []string{}}); !errors.Is(err, fault.Invalid) {
		t.Errorf("no rules gave %v", err)
	}
	if _, err := f.client.VMEgress(t.Context(), "none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("no VM gave %v", err)
	}
	log, err := f.client.VMEgressLog(t.Context(), "idle", client.LogOptions{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	line, err := bufio.NewReader(log).ReadBytes('\n')
	var record api.EgressRecord
	if err := errors.Join(err, json.Unmarshal(line, &record)); err != nil || record.Event != "deny" {
		t.Errorf("the log has %s, %v", line, err)
	}
}

func TestRulesForATimeAndForNewVMs(t *testing.T) {
	f := start(t)
	for _, c := range []struct {
		req  api.AddEgress
		want string
	}{
		{api.AddEgress{Rules: []string{"allow any tcp/22"}}, "for 0s, always false"},
		{api.AddEgress{Rules: []string{"allow any tcp/22"}, ForSeconds: 90.5}, "for 1m30.5s, always false"},
		{api.AddEgress{Rules: []string{"allow any tcp/22"}, ForSeconds: 1e300}, "for 720h0m1s, always false"},
		{api.AddEgress{Rules: []string{"allow any tcp/22"}, Always: true}, "for 0s, always true"},
	} {
		if _, err := f.client.AddVMEgress(t.Context(), "web", c.req); err != nil || !slices.Contains(f.calls(), "add web allow any tcp/22 "+c.want) {
			t.Errorf("%+v: %v", c.req, err)
		}
	}
	read, err := f.client.EgressRules(t.Context())
	added, addErr := f.client.AddEgressRules(t.Context(), api.ChangeEgressRules{Rules: []string{"deny any udp"}})
	left, leftErr := f.client.RemoveEgressRules(t.Context(), api.ChangeEgressRules{Rules: []string{"deny any udp"}})
	got, want := [][]string{read.Rules, added.Rules, left.Rules}, [][]string{{"allow example.org"}, {"deny any udp", "allow example.org"}, {}}
	if diff := cmp.Diff(want, got); errors.Join(err, addErr, leftErr) != nil || diff != "" || !slices.Contains(f.calls(), "no more deny any udp") {
		t.Errorf("%v, %v, %v (-want +got):\n%s", err, addErr, leftErr, diff)
	}
	if _, err := f.client.AddEgressRules(t.Context(), api.ChangeEgressRules{Rules: []string{}}); !errors.Is(err, fault.Invalid) {
		t.Errorf("no rules gave %v", err)
	}
}

func TestAProbeByTheAPI(t *testing.T) {
	f := start(t)
	got, err := f.client.TestVMEgress(t.Context(), "web", api.TestEgress{Target: "example.org:22", Rules: []string{"deny any udp"}})
	want := api.EgressVerdict{Target: "example.org tcp/22", Allowed: true, Rule: "allow example.org", Number: 2, ByName: true, Unless: []string{}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []api.TestEgress{{}, {Target: " "}, {Target: "any"}, {Target: "a.example", Address: "b"}} {
		if _, err := f.client.TestVMEgress(t.Context(), "web", bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestPortsByTheAPI(t *testing.T) {
	f := start(t)
	own := vm.Loopback(0, 300).String()
	f.network.ports = vm.Ports{Ports: []vm.Port{
		{Proto: "udp", GuestPort: 80, HostAddress: own, HostPort: 20080, Source: "auto", Listening: true},
		{Proto: "tcp", GuestPort: 80, HostAddress: own, HostPort: 20080, GuestAddress: []string{"0.0.0.0", "::"}, Source: "auto", Listening: true, PID: 3, Scheme: "http"},
		{Proto: "tcp", GuestPort: 443, HostAddress: "127.0.0.1", HostPort: 8443, Source: "published", Scheme: "https"},
		{Proto: "tcp", GuestPort: 8001, HostAddress: "0.0.0.0", HostPort: 8001, Source: "published", Scheme: "http"},
		{Proto: "tcp", GuestPort: 8002, HostAddress: "::", HostPort: 8002, Source: "published", Scheme: "http", Loopback: true},
		{Proto: "tcp", GuestPort: 22, Source: "auto", Problem: "the host has no port", Scheme: "gopher"},
		{Proto: "tcp", GuestPort: 22, Source: "auto", Problem: "nor another one"},
	}}
	for resolves, host := range map[bool]string{false: own, true: "web.vm"} {
		f.network.resolves = resolves
		got, err := f.client.VMPorts(t.Context(), "web")
		want := []api.Port{
			{Proto: "tcp", GuestPort: 22, Source: "auto", Problem: "the host has no port"},
			{Proto: "tcp", GuestPort: 22, Source: "auto", Problem: "nor another one"},
			{
				Proto: "tcp", Address: own, Port: 20080, Endpoint: host + ":20080", URL: "http://" + host + ":20080", GuestPort: 80,
				GuestAddress: []string{"0.0.0.0", "::"}, Source: "auto", Listening: true, PID: 3,
			},
			{Proto: "udp", Address: own, Port: 20080, Endpoint: host + ":20080", GuestPort: 80, Source: "auto", Listening: true},
			{
				Proto: "tcp", Address: "127.0.0.1", Port: 8443, Endpoint: "127.0.0.1:8443", URL: "https://127.0.0.1:8443", GuestPort: 443,
				Source: "published",
			},
			// Nobody connects to all addresses.
			{Proto: "tcp", Address: "0.0.0.0", Port: 8001, Endpoint: "0.0.0.0:8001", URL: "http://127.0.0.1:8001", GuestPort: 8001, Source: "published"},
			{Proto: "tcp", Address: "::", Port: 8002, Endpoint: "[::]:8002", URL: "http://[::1]:8002", GuestPort: 8002, Source: "published", Loopback: true},
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("VMPorts: %v (-want +got):\n%s", err, diff)
		}
	}
}

func TestForwardsByTheAPI(t *testing.T) {
	f := start(t)
	f.network.ports.Forwards = []vm.Forward{{Proto: "unix", Host: "/h", Guest: "/g"}}
	list, err := f.client.VMForwards(t.Context(), "web")
	if diff := cmp.Diff([]api.Forward{{Proto: "unix", Host: "/h", Guest: "/g"}}, list); err != nil || diff != "" {
		t.Errorf("VMForwards: %v (-want +got):\n%s", err, diff)
	}
	made, err := f.client.AddVMForward(t.Context(), "web", api.Forward{Proto: "tcp", Host: "127.0.0.1:0", Guest: "80"})
	if err != nil || made.Host != "127.0.0.1:4000" {
		t.Errorf("AddVMForward gave %+v, %v", made, err)
	}
	if err := f.client.RemoveVMForward(t.Context(), "web", api.Forward{Proto: "tcp", Host: "127.0.0.1:4000"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"forward web tcp 127.0.0.1:0 80", "remove web 127.0.0.1:4000"}, f.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestStatsByTheAPI(t *testing.T) {
	f := start(t)
	got, err := f.client.VMStats(t.Context(), "web")
	if err != nil || got.Name != "web" || got.CPUNanos != 5 || got.VCPU != 2 || got.Flows != 7 || got.DiskUsageBytes != 8192 ||
		got.GuestMemoryTotal != 99 || got.DiskFreeBytes != 98 || got.GuestCPUSeconds != 97 {
		t.Errorf("VMStats gave %+v, %v", got, err)
	}
	if d := got.Devices; d == nil || d.DiskReadBytes != 9 || d.ReclaimedBytes != 4096 {
		t.Errorf("the devices are %+v", d)
	}
	if all, err := f.client.Stats(t.Context()); err != nil || len(all) != 1 || all[0].Name != "web" {
		t.Errorf("Stats gave %+v, %v", all, err)
	}
	f.network.err = fault.New(fault.Conflict, "an older build").WithHint("restart it")
	if _, err := f.client.VMStats(t.Context(), "web"); !errors.Is(err, fault.Conflict) {
		t.Errorf("VMStats of an old monitor gave %v", err)
	}
	if all, err := f.client.Stats(t.Context()); err != nil || all == nil || len(all) != 0 {
		t.Errorf("Stats of old monitors gave %+v, %v", all, err)
	}
}

func TestStatsOfASilentGuestAreTheMonitors(t *testing.T) {
	f := start(t)
	f.network.mute = true
	got, err := f.client.VMStats(t.Context(), "web")
	if err != nil || got.CPUNanos != 5 || got.GuestMemoryTotal != 0 {
		t.Errorf("VMStats gave %+v, %v", got, err)
	}
}

func TestTheNetworkOfAVMIsShown(t *testing.T) {
	f := start(t)
	w := f.vms["web"]
	w.Network, w.Publish = vm.NetworkUser, []vm.Publish{{Proto: "tcp", HostPort: 8080, GuestPort: 80}}
	f.vms["web"] = w
	got, err := f.client.GetVM(t.Context(), "web")
	if err != nil || got.Address != vm.Loopback(0, 300).String() || got.GuestIP != "198.18.1.44" || got.Network != "user" || got.Egress != "packages" ||
		len(got.Publish) != 1 || got.Publish[0].HostPort != 8080 {
		t.Errorf("GetVM gave %+v, %v", got, err)
	}
	w.Network, w.Publish = vm.NetworkNone, nil
	f.vms["web"] = w
	if got, err := f.client.GetVM(t.Context(), "web"); err != nil || got.GuestIP != "" || got.Publish == nil {
		t.Errorf("without a network: %+v, %v", got, err)
	}
}
