package vm_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func TestAddressesOfAnIndex(t *testing.T) {
	for _, tt := range []struct {
		index            int
		guest4, guest6   string
		loopbackEndsWith string
	}{
		{vm.MinIndex, "198.18.1.0", "fd62:616e:6765:7200::100", ".1.0"},
		{0x1234, "198.18.18.52", "fd62:616e:6765:7200::1234", ".18.52"},
		{vm.MaxIndex, "198.19.255.254", "fd62:616e:6765:7200::1:fffe", ".255.254"},
	} {
		v4, v6 := vm.GuestAddresses(tt.index)
		host := vm.Loopback(1000, tt.index)
		if v4.String() != tt.guest4 || v6.String() != tt.guest6 || !host.IsLoopback() || !strings.HasSuffix(host.String(), tt.loopbackEndsWith) {
			t.Errorf("%d: %s, %s, %s", tt.index, v4, v6, host)
		}
	}
}

func TestLoopbackAddressesDiffer(t *testing.T) {
	seen := map[netip.Addr]int{}
	for _, index := range []int{vm.MinIndex, vm.MinIndex + 1, 1 << 16, 1<<16 + 1, vm.MaxIndex} {
		addr := vm.Loopback(1000, index)
		if before, ok := seen[addr]; ok {
			t.Errorf("%d and %d have %s", before, index, addr)
		}
		seen[addr] = index
	}
	users := map[byte]bool{}
	for uid := range 2000 {
		a := vm.Loopback(uid, vm.MaxIndex).As4()
		if a[1] < 129 || a[1] > 253 || a[1]%2 == 0 {
			t.Fatalf("user %d has %v", uid, a)
		}
		users[a[1]] = true
		if names := vm.NamesAddress(uid).As4(); names != [4]byte{127, a[1] - 1, 0, 1} {
			t.Fatalf("names of user %d at %v", uid, names)
		}
	}
	if len(users) < 60 {
		t.Errorf("2000 users share %d second bytes", len(users))
	}
}

func TestTheNetworkOfASpec(t *testing.T) {
	h := newHarness(t)
	v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Egress: new("packages"), Start: true}, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := vm.GuestAddresses(v.Index)
	want := &vm.Network{
		MAC: fmt.Sprintf("52:54:00:%02x:%02x:%02x", v.Index>>16, v.Index>>8&0xff, v.Index&0xff), MTU: 65520,
		Guest4: v4.String() + "/15", Guest6: v6.String() + "/64", Gateway4: "198.18.0.1", Gateway6: "fd62:616e:6765:7200::1",
		Host4: "198.18.0.2", Host6: "fd62:616e:6765:7200::2", Resolvers: []string{"127.0.0.1:5353"}, Egress: "packages",
	}
	if diff := cmp.Diff(want, h.machines.lastSpec(t).Network); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
}

func TestAVMWithoutANetwork(t *testing.T) {
	h := newHarness(t)
	v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Network: vm.NetworkNone, Start: true}, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	if spec := h.machines.lastSpec(t); spec.Network != nil || spec.Loopback != vm.Loopback(1000, v.Index).String() {
		t.Errorf("spec has %+v, %s", spec.Network, spec.Loopback)
	}
	_, err = h.svc.SetEgress(t.Context(), "web", "all")
	wantFault(t, err, fault.Conflict, "no network")
}

func TestNetworksThatAreRefused(t *testing.T) {
	h := newHarness(t)
	h.taken.taken[netip.MustParseAddrPort("127.0.0.1:8080")] = true
	publish := func(p ...vm.Publish) vm.CreateRequest { return vm.CreateRequest{Publish: p} }
	for name, tt := range map[string]struct {
		req  vm.CreateRequest
		code fault.Code
		word string
	}{
		"network":         {vm.CreateRequest{Network: "bridge"}, fault.Invalid, "bridge"},
		"policy":          {vm.CreateRequest{Egress: new("allow nothing at all")}, fault.Invalid, "allow nothing"},
		"policy, no NIC":  {vm.CreateRequest{Network: vm.NetworkNone, Egress: new("all")}, fault.Invalid, "without a network"},
		"protocol":        {publish(vm.Publish{Proto: "sctp", GuestPort: 1}), fault.Invalid, "sctp"},
		"no guest port":   {publish(vm.Publish{HostPort: 1}), fault.Invalid, "guest port 0"},
		"big guest port":  {publish(vm.Publish{HostPort: 1, GuestPort: 65536}), fault.Invalid, "65536"},
		"big host port":   {publish(vm.Publish{HostPort: 65536, GuestPort: 1}), fault.Invalid, "65536"},
		"negative port":   {publish(vm.Publish{HostPort: -1, GuestPort: 1}), fault.Invalid, "-1"},
		"address":         {publish(vm.Publish{HostAddress: "localhost", HostPort: 1, GuestPort: 1}), fault.Invalid, "localhost"},
		"multicast":       {publish(vm.Publish{HostAddress: "224.0.0.1", HostPort: 1, GuestPort: 1}), fault.Invalid, "224.0.0.1"},
		"zone":            {publish(vm.Publish{HostAddress: "fe80::1%lo", HostPort: 1, GuestPort: 1}), fault.Invalid, "fe80::1%lo"},
		"twice":           {publish(vm.Publish{HostPort: 80, GuestPort: 1}, vm.Publish{Proto: "tcp", HostPort: 80, GuestPort: 2}), fault.Invalid, "80/tcp is published twice"},
		"twice, as mixed": {publish(vm.Publish{HostAddress: "127.0.0.1", HostPort: 80, GuestPort: 1}, vm.Publish{HostAddress: "::ffff:127.0.0.1", HostPort: 80, GuestPort: 2}), fault.Invalid, "127.0.0.1:80/tcp"},
		"too many":        {publish(make([]vm.Publish, 257)...), fault.Invalid, "257"},
		"taken":           {publish(vm.Publish{HostAddress: "127.0.0.1", HostPort: 8080, GuestPort: 1}), fault.Conflict, "127.0.0.1:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.svc.Create(t.Context(), tt.req, operation.Discard{})
			wantFault(t, err, tt.code, tt.word)
			wantFault(t, h.svc.CheckCreate(t.Context(), tt.req), tt.code, tt.word)
			h.nothingLeft()
		})
	}
}

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

func TestIndexesAreUnique(t *testing.T) {
	h := newHarness(t)
	seen := map[int]bool{}
	for n := range 20 {
		v := h.create(fmt.Sprintf("vm-%d", n), false)
		if seen[v.Index] || v.Index < vm.MinIndex || v.Index > vm.MaxIndex {
			t.Errorf("index %d", v.Index)
		}
		seen[v.Index] = true
	}
}

func TestAnIndexTakenMeanwhileIsChosenAgain(t *testing.T) {
	h := newHarness(t)
	h.svc.Close()
	h.deps.Store = &rivalStore{Store: h.store}
	h.svc = vm.New(h.deps)
	v := h.create("web", false)
	if other := h.get("other"); other.Index == v.Index {
		t.Errorf("two VMs have index %d", v.Index)
	}
}

// rivalStore is a store in which another VM takes the index of the first
// insert just before it.
type rivalStore struct {
	vm.Store
	mu   sync.Mutex
	done bool
}

func (s *rivalStore) Insert(ctx context.Context, v vm.VM) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		s.done = true
		other := record("b00000000000000b", "other")
		other.Index = v.Index
		if err := s.Store.Insert(ctx, other); err != nil {
			return err
		}
	}
	return s.Store.Insert(ctx, v)
}

func TestEgressOfAStoppedVM(t *testing.T) {
	h := newHarness(t)
	if v := h.create("web", false); v.Egress != "all" || v.Network != vm.NetworkUser {
		t.Errorf("a new VM has %q, %q", v.Network, v.Egress)
	}
	v, err := h.svc.SetEgress(t.Context(), "web", "  default  DENY; allow Example.ORG # why not\n")
	if err != nil || v.Egress != "default deny\nallow example.org" {
		t.Errorf("SetEgress gave %q, %v", v.Egress, err)
	}
	v, err = h.svc.AddEgress(t.Context(), "web", []string{"deny 203.0.113.0/24", "allow any tcp/22"})
	lines := strings.Split(v.Egress, "\n")
	if err != nil || len(lines) != 4 || lines[1] != "deny 203.0.113.0/24" || lines[2] != "allow any tcp/22" {
		t.Errorf("AddEgress gave %q, %v", v.Egress, err)
	}
	for _, rules := range [][]string{{"allow"}, {"allow any tcp/22", "nonsense"}, {"default allow"}} {
		_, err := h.svc.AddEgress(t.Context(), "web", rules)
		wantFault(t, err, fault.Invalid, rules[len(rules)-1])
	}
	_, err = h.svc.AddEgress(t.Context(), "web", nil)
	wantFault(t, err, fault.Invalid, "no rule")
	_, err = h.svc.SetEgress(t.Context(), "web", "maybe")
	wantFault(t, err, fault.Invalid, "maybe")
	if got := h.get("web").Egress; got != v.Egress {
		t.Errorf("after the refusals it is %q", got)
	}
}

func TestEgressOfARunningVMHoldsAtOnce(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	if _, err := h.svc.SetEgress(t.Context(), "web", "none"); err != nil {
		t.Fatal(err)
	}
	if policy, _ := h.machine().seen(); policy != "none" {
		t.Errorf("the machine has %q", policy)
	}
}

func TestAPolicyThatIsNotTakenIsStoredAndTriedAgain(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	h.settled("web", "all")
	h.machine().refuse(fault.New(fault.Unavailable, "no answer"))
	_, err := h.svc.SetEgress(t.Context(), "web", "none")
	wantFault(t, err, fault.Unavailable, "stored", "not in force", "no answer")
	if got := h.get("web").Egress; got != "none" {
		t.Errorf("stored is %q", got)
	}
	h.machine().refuse(nil)
	h.settled("web", "none")
}

func TestAnOldMonitorIsRestarted(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	h.settled("web", "all")
	h.machine().refuse(fault.New(fault.Conflict, "its monitor is of an older build"))
	_, err := h.svc.SetEgress(t.Context(), "web", "none")
	wantFault(t, err, fault.Conflict, "older build")
	_, _, statsErr := h.svc.Stats(t.Context(), "web")
	_, _, portsErr := h.svc.Ports(t.Context(), "web")
	for _, err := range []error{err, statsErr, portsErr} {
		wantFault(t, err, fault.Conflict, "older build")
		if fault.HintOf(err) != "banger vm restart web" {
			t.Errorf("hint is %q", fault.HintOf(err))
		}
	}
}

func TestANewDaemonTellsAdoptedMachines(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	h.settled("web", "all")
	h.restartDaemon(func() {
		_, err := h.store.Update(t.Context(), h.get("web").ID, func(v *vm.VM) error { v.Egress = "none"; return nil })
		if err != nil {
			t.Fatal(err)
		}
	})
	h.settled("web", "none")
}

func TestNeighboursAreThoseOfAGroupThatLive(t *testing.T) {
	h := newHarness(t)
	for _, c := range []struct {
		name, group string
		network     vm.NetworkMode
		start       bool
	}{
		{"a", "red", vm.NetworkUser, true},
		{"b", "red", vm.NetworkUser, true},
		{"c", "red", vm.NetworkUser, false},
		{"d", "blue", vm.NetworkUser, true},
		{"e", "", vm.NetworkUser, true},
		{"f", "red", vm.NetworkNone, true},
	} {
		req := vm.CreateRequest{Name: &c.name, Network: c.network, Start: c.start}
		if c.group != "" {
			req.Labels = map[string]string{vm.GroupLabel: c.group}
		}
		if _, err := h.svc.Create(t.Context(), req, operation.Discard{}); err != nil {
			t.Fatal(err)
		}
	}
	h.settled("a", "all", "b")
	h.settled("b", "all", "a")
	h.settled("d", "all")
	h.settled("e", "all")

	if _, err := h.svc.Start(t.Context(), "c", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	h.settled("a", "all", "b", "c")
	h.settled("c", "all", "a", "b")

	relabel := func(name, group string) {
		if _, err := h.svc.Set(t.Context(), name, vm.Change{Labels: map[string]string{vm.GroupLabel: group}}); err != nil {
			t.Fatal(err)
		}
	}
	relabel("b", "blue") // while it runs
	h.settled("a", "all", "c")
	h.settled("b", "all", "d")
	h.settled("d", "all", "b")
	relabel("b", "")
	h.settled("b", "all")
	h.settled("d", "all")

	if err := h.svc.Delete(t.Context(), "c", true, quiet); err != nil {
		t.Fatal(err)
	}
	h.settled("a", "all")
}

func TestOnlyLabelsOfARunningVMAreChanged(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	_, err := h.svc.Set(t.Context(), "web", vm.Change{Labels: map[string]string{"a": "b"}, Publish: &[]vm.Publish{}})
	wantFault(t, err, fault.Conflict, "only the labels")
	if v, err := h.svc.Set(t.Context(), "web", vm.Change{Labels: map[string]string{"a": "b"}}); err != nil || v.Labels["a"] != "b" {
		t.Errorf("Set gave %v, %v", v.Labels, err)
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
		{vm.Forward{Proto: "udp", Host: "0.0.0.0:53", Guest: "53"}, "0.0.0.0:53"},
		{vm.Forward{Proto: "udp", Host: "127.0.0.1:54", Guest: "/run/x.sock"}, ""},
		{vm.Forward{Proto: "unix", Host: "x.sock", Guest: "80"}, ""},
		{vm.Forward{Proto: "unix", Host: "/tmp/../x.sock", Guest: "80"}, ""},
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
	if err != nil || len(ports.Forwards) != 6 {
		t.Errorf("Ports gave %+v, %v", ports, err)
	}
	if err := h.svc.RemoveForward(t.Context(), "web", vm.Forward{Proto: "unix", Host: "/tmp/x.sock"}); err != nil {
		t.Error(err)
	}
	wantFault(t, h.svc.RemoveForward(t.Context(), "web", vm.Forward{Proto: "unix", Host: "/tmp/x.sock"}), fault.NotFound)
	if _, stats, err := h.svc.Stats(t.Context(), "web"); err != nil || stats.Flows != 3 {
		t.Errorf("Stats gave %+v, %v", stats, err)
	}
	h.create("idle", false)
	_, err = h.svc.AddForward(t.Context(), "idle", vm.Forward{Proto: "tcp", Host: "127.0.0.1:0", Guest: "80"})
	wantFault(t, err, fault.Conflict, "idle")
}

// settled waits until the machine of a VM has this policy and these neighbours.
func (h *harness) settled(name, policy string, neighbours ...string) {
	h.t.Helper()
	m := h.machines.get(h.get(name).ID)
	if m == nil {
		h.t.Fatalf("VM %s has no machine", name)
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		gotPolicy, got := m.seen()
		slices.Sort(got)
		if gotPolicy == policy && slices.Equal(got, neighbours) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("VM %s stays with %q and %v; want %q and %v", name, gotPolicy, got, policy, neighbours)
		}
	}
}

func FuzzForward(f *testing.F) {
	f.Add("tcp", "127.0.0.1:80", "80")
	f.Add("unix", "/a", "/b")
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
