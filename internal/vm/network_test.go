package vm_test

import (
	"context"
	"fmt"
	"net/netip"
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
		MAC: "52:54:00:62:6e:67", MTU: 65520,
		Guest4: v4.String() + "/15", Guest6: v6.String() + "/64", Gateway4: "198.18.0.1", Gateway6: "fd62:616e:6765:7200::1",
		Host4: "198.18.0.2", Host6: "fd62:616e:6765:7200::2", Resolvers: []string{"127.0.0.1:5353"}, Egress: "packages",
	}
	if diff := cmp.Diff(want, h.machines.lastSpec(t).Network); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
}

// TestTheSpecPinsTheImage: the VMM opens what was registered, or does not start.
func TestTheSpecPinsTheImage(t *testing.T) {
	h := newHarness(t)
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Start: true}, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	want := vm.Disk{Serial: vm.SerialImage, Path: "/images/rootfs.ext4", ReadOnly: true, Pin: &vm.Pin{Bytes: 7, ModifiedAt: time.Unix(8, 9), Inode: 10}}
	if diff := cmp.Diff(want, h.machines.lastSpec(t).Disks[0]); diff != "" {
		t.Errorf("disk (-want +got):\n%s", diff)
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
		"all and one":     {publish(vm.Publish{HostPort: 80, GuestPort: 1}, vm.Publish{HostAddress: "0.0.0.0", HostPort: 80, GuestPort: 2}), fault.Invalid, "0.0.0.0:80/tcp is published twice"},
		"one and all":     {publish(vm.Publish{HostAddress: "::", HostPort: 80, GuestPort: 1}, vm.Publish{HostAddress: "::1", HostPort: 80, GuestPort: 2}), fault.Invalid, "[::1]:80/tcp is published twice"},
		"ports":           {vm.CreateRequest{Ports: new(vm.PortsMode("some"))}, fault.Invalid, "some"},
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
