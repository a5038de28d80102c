package vm_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func TestCreateGivesTheMachineWhatImageKernelAndUserSay(t *testing.T) {
	h := newHarness(t)
	v, err := h.svc.Create(t.Context(), vm.CreateRequest{
		Name: new("web"), VCPU: new(3), MemoryBytes: new(512*mib + 1), DiskBytes: new(gib),
		Init: vm.InitAgent, Env: []string{"A=user"}, Labels: map[string]string{"team": "red"}, Start: true,
		Publish: []vm.Publish{{HostPort: 8080, GuestPort: 80}}, Ports: new(vm.PortsShared),
	}, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	if v.State != vm.Running || v.Provisional || v.Driver != "qemu-tcg" || v.StartedAt.IsZero() {
		t.Errorf("VM = %+v", v)
	}
	want := vm.Spec{
		Format: vm.SpecFormat, VMID: v.ID, Name: "web", StartID: v.StartID, Driver: "qemu-tcg",
		VMM: "/usr/bin/qemu-system-x86_64", VCPU: 3, MemoryBytes: 513 * mib,
		Kernel: "/vmlinux", Initramfs: "/initramfs/debian-12", ReadyTimeoutMillis: 180_000,
		Disks: []vm.Disk{
			{Serial: vm.SerialImage, Path: "/images/rootfs.ext4", ReadOnly: true, Pin: &vm.Pin{Bytes: 7, ModifiedAt: time.Unix(8, 9), Inode: 10}},
			{Serial: vm.SerialVM, Path: "/vms/" + v.ID + "/disk.ext4"},
			{Serial: vm.SerialModules, Path: "/modules.ext4", ReadOnly: true},
		},
		Guest: vm.Guest{
			Hostname: "web", MachineID: "machine of " + v.ID, Token: "token", HostKey: "key",
			AuthorizedKeys: []string{"ssh-ed25519 AAAA"}, Env: []string{"PATH=/bin", "A=image", "A=user"},
			WorkingDir: "/srv", Volumes: []string{"/data"}, User: "app", Init: vm.InitAgent,
		},
		Loopback: vm.Loopback(1000, v.Index).String(),
		Publish:  []vm.Publish{{Proto: "tcp", HostAddress: "127.0.0.1", HostPort: 8080, GuestPort: 80}}, Ports: vm.PortsShared,
	}
	want.BeganAt = h.machines.lastSpec(t).BeganAt
	want.Network = h.machines.lastSpec(t).Network // TestTheNetworkOfASpec says what is in it
	if diff := cmp.Diff(want, h.machines.lastSpec(t)); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	st, ok := h.svc.Runtime(v.ID)
	if !ok || st.VMMPID != 4711 || st.Phase != vm.PhaseReady {
		t.Errorf("Runtime = %+v, %v", st, ok)
	}
}

func TestCreateWithoutStartUsesDefaultsAndMakesAName(t *testing.T) {
	h := newHarness(t)
	v, err := h.svc.Create(t.Context(), vm.CreateRequest{}, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	if v.State != vm.Stopped || v.VCPU != 2 || v.MemoryBytes != gib || v.DiskBytes != 8*gib || v.Init != vm.InitAuto ||
		v.Image != "debian" || v.Kernel != "debian-12" || v.Provisional {
		t.Errorf("VM = %+v", v)
	}
	if err := vm.ValidateName(v.Name); err != nil || !strings.Contains(v.Name, "-") {
		t.Errorf("name %q: %v", v.Name, err)
	}
	if h.machines.count() != 0 || h.disks.size(v.ID) != 8*gib {
		t.Errorf("%d machines, disk of %d", h.machines.count(), h.disks.size(v.ID))
	}
}

func TestDefaultsAreCutToWhatTheHostHas(t *testing.T) {
	h := newHarness(t)
	h.host.facts.CPUs, h.host.facts.MemoryBytes = 1, 512*mib
	if v := h.create("small", false); v.VCPU != 1 || v.MemoryBytes != 512*mib {
		t.Errorf("VM = %+v", v)
	}
}

func TestCreateRefusesBadValuesBeforeAnythingIsStored(t *testing.T) {
	long := strings.Repeat("a", 64)
	tests := map[string]struct {
		req   vm.CreateRequest
		code  fault.Code
		words string
	}{
		"zero CPUs":           {vm.CreateRequest{VCPU: new(0)}, fault.Invalid, "vcpu 0"},
		"negative CPUs":       {vm.CreateRequest{VCPU: new(-1)}, fault.Invalid, "vcpu -1"},
		"too many CPUs":       {vm.CreateRequest{VCPU: new(5)}, fault.Invalid, "vcpu 5"},
		"zero memory":         {vm.CreateRequest{MemoryBytes: new(int64(0))}, fault.Invalid, "memory size 0"},
		"negative memory":     {vm.CreateRequest{MemoryBytes: new(-mib)}, fault.Invalid, "memory size -1048576"},
		"too little memory":   {vm.CreateRequest{MemoryBytes: new(63 * mib)}, fault.Invalid, "too small"},
		"too much memory":     {vm.CreateRequest{MemoryBytes: new(9 * gib)}, fault.Invalid, "9 GiB"},
		"zero disk":           {vm.CreateRequest{DiskBytes: new(int64(0))}, fault.Invalid, "disk size 0"},
		"too small a disk":    {vm.CreateRequest{DiskBytes: new(mib)}, fault.Invalid, "too small"},
		"too large a disk":    {vm.CreateRequest{DiskBytes: new(101 * gib)}, fault.Invalid, "more than this host's"},
		"huge disk":           {vm.CreateRequest{DiskBytes: new(int64(math.MaxInt64))}, fault.Invalid, "more than"},
		"empty name":          {vm.CreateRequest{Name: new("")}, fault.Invalid, `""`},
		"upper-case name":     {vm.CreateRequest{Name: new("Web")}, fault.Invalid, `"Web"`},
		"name with slash":     {vm.CreateRequest{Name: new("../x")}, fault.Invalid, `"../x"`},
		"hyphen first":        {vm.CreateRequest{Name: new("-x")}, fault.Invalid, `"-x"`},
		"long name":           {vm.CreateRequest{Name: new(long)}, fault.Invalid, long},
		"name like an id":     {vm.CreateRequest{Name: new("0123456789abcdef")}, fault.Invalid, "id"},
		"environment":         {vm.CreateRequest{Env: []string{"NOVALUE"}}, fault.Invalid, "NOVALUE"},
		"environment, no key": {vm.CreateRequest{Env: []string{"=x"}}, fault.Invalid, "=x"},
		"environment, NUL":    {vm.CreateRequest{Env: []string{"A=\x00"}}, fault.Invalid, "A="},
		"big environment":     {vm.CreateRequest{Env: []string{"A=" + strings.Repeat("x", 200<<10)}}, fault.Invalid, "bytes"},
		"label key":           {vm.CreateRequest{Labels: map[string]string{"a b": "c"}}, fault.Invalid, "a b"},
		"label value":         {vm.CreateRequest{Labels: map[string]string{"a": "x\ny"}}, fault.Invalid, `"a"`},
		"init mode":           {vm.CreateRequest{Init: "systemd"}, fault.Invalid, "systemd"},
		"unknown image":       {vm.CreateRequest{Image: new("nope")}, fault.NotFound, "nope"},
		"foreign platform":    {vm.CreateRequest{Platform: "linux/riscv64"}, fault.Invalid, "image debian for linux/riscv64 cannot start here: this host is linux/amd64"},
		"no platform":         {vm.CreateRequest{Platform: "amd64"}, fault.Invalid, `"amd64" is not a platform`},
	}
	h := newHarness(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h.points.reset(-1, nil)
			_, err := h.svc.Create(t.Context(), tt.req, operation.Discard{})
			wantFault(t, err, tt.code, tt.words)
			if tt.req.Image == nil { // what only the catalog knows is found later
				wantFault(t, h.svc.CheckCreate(t.Context(), tt.req), tt.code, tt.words)
			}
			if slices.Contains(h.points.passed, "insert") {
				t.Error("a record was stored")
			}
			h.nothingLeft()
		})
	}
}

func TestANameThatIsTakenIsRefused(t *testing.T) {
	h := newHarness(t)
	first := h.create("web", false)
	_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web")}, operation.Discard{})
	wantFault(t, err, fault.Conflict, `"web"`)
	wantFault(t, h.svc.CheckCreate(t.Context(), vm.CreateRequest{Name: new("web")}), fault.Conflict, `"web"`)
	if h.get("web").ID != first.ID || h.disks.count() != 1 {
		t.Error("the first VM was touched")
	}
}

func TestConcurrentCreatesOfOneName(t *testing.T) {
	h := newHarness(t)
	var all sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		all.Go(func() {
			_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Start: true}, operation.Discard{})
			results <- err
		})
	}
	all.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, fault.Conflict) {
			t.Errorf("Create = %v", err)
		}
	}
	if won != 1 || h.disks.count() != 1 || h.machines.count() != 1 {
		t.Errorf("%d creates won, %d disks, %d machines", won, h.disks.count(), h.machines.count())
	}
}

func TestGeneratedNamesThatAreTakenAreTriedAgain(t *testing.T) {
	h := newHarness(t)
	vm.SetNames(h.svc, func() string { return "only-one" })
	seen := map[string]bool{}
	for range 3 {
		v, err := h.svc.Create(t.Context(), vm.CreateRequest{}, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
		if seen[v.Name] || vm.ValidateName(v.Name) != nil {
			t.Errorf("name %q", v.Name)
		}
		seen[v.Name] = true
	}
}

// createPoints are the seams that a create with start passes, in order.
func createPoints(t *testing.T) []string {
	h := newHarness(t)
	h.points.reset(-1, nil)
	h.create("probe", true)
	return slices.Clone(h.points.passed)
}

func TestAFailureAtAnyStepOfCreateLeavesNothing(t *testing.T) {
	for at, name := range createPoints(t) {
		t.Run(fmt.Sprintf("%d %s", at, name), func(t *testing.T) {
			h := newHarness(t)
			h.points.reset(at, func() error {
				return fault.New(fault.Unavailable, "injected at %s", name).WithHint("mend it")
			})
			_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Start: true}, operation.Discard{})
			wantFault(t, err, fault.Unavailable, "injected at "+name)
			h.nothingLeft()
			h.points.reset(-1, nil)
			h.create("web", true) // nothing stands in its way
		})
	}
}

func TestCancellingAtAnyStepOfCreateLeavesNothing(t *testing.T) {
	for at, name := range createPoints(t) {
		t.Run(fmt.Sprintf("%d %s", at, name), func(t *testing.T) {
			h := newHarness(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h.points.reset(at, func() error { cancel(); return nil })
			_, err := h.svc.Create(ctx, vm.CreateRequest{Name: new("web"), Start: true}, operation.Discard{})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Create = %v", err)
			}
			h.nothingLeft()
		})
	}
}

func TestCancellingTheWaitForReadyLeavesNothing(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.machines.atStart = func(m *fakeMachine) {
		m.set(func(s *vm.Status) { s.Phase, s.Stage = vm.PhaseConfiguring, "disks" })
	}
	stages := &stageWatcher{detail: func(string) { cancel() }}
	_, err := h.svc.Create(ctx, vm.CreateRequest{Name: new("web"), Start: true}, stages)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v", err)
	}
	h.nothingLeft()
}

func TestADaemonThatShutsDownLeavesTheVMThatItWaitsFor(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	h.machines.atStart = func(m *fakeMachine) { m.set(func(s *vm.Status) { s.Stage = "disks" }) }
	stages := &stageWatcher{detail: func(string) { cancel(operation.ErrShutdown) }}
	if _, err := h.svc.Create(ctx, vm.CreateRequest{Name: new("web"), Start: true}, stages); err == nil {
		t.Fatal("Create succeeded")
	}
	h.restartDaemon(func() { h.machine().ready() })
	h.eventually("web", inState(vm.Running))
}

// TestAVMMThatDoesNotComeUpAgainHasItsRemedy has a guest reboot before it is ready.
func TestAVMMThatDoesNotComeUpAgainHasItsRemedy(t *testing.T) {
	h := newHarness(t)
	problem := fault.ProblemOf(fault.New(fault.Unavailable, "no memory").WithHint("use less"))
	h.machines.atStart = func(m *fakeMachine) {
		m.exitAs(vm.Exit{Reason: vm.ReasonStartFailed, Message: problem.Message, Failed: true, Problem: &problem})
	}
	_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Start: true}, operation.Discard{})
	wantFault(t, err, fault.Unavailable, "web", "no memory")
	if got := fault.HintOf(err).String(); got != "use less" {
		t.Errorf("hint = %q", got)
	}
	h.machines.atStart = nil
	if v := h.get("web"); v.ExitMessage != "no memory" || v.ExitHint.String() != "use less" {
		t.Errorf("VM = %+v", v)
	}
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	if v := h.get("web"); v.ExitMessage != "" || v.ExitHint != nil {
		t.Errorf("VM that runs = %+v", v)
	}
}

func TestAGuestThatComesUpBadlyIsKeptForItsLog(t *testing.T) {
	h := newHarness(t)
	h.machines.atStart = func(m *fakeMachine) { m.exit(vm.ReasonGuestFailed, true) }
	_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Start: true}, operation.Discard{})
	wantFault(t, err, fault.Unavailable, "web", vm.ReasonGuestFailed)
	if !strings.HasPrefix(fault.HintOf(err).String(), "vm logs web") {
		t.Errorf("hint = %q", fault.HintOf(err).String())
	}
	if v := h.get("web"); v.State != vm.Failed || v.ExitReason != vm.ReasonGuestFailed {
		t.Errorf("VM = %+v", v)
	}
}

func TestAFullDiskTellsWhatToDo(t *testing.T) {
	h := newHarness(t)
	at := slices.Index(createPoints(t), "disk")
	h.points.reset(at, func() error {
		return fault.New(fault.Unavailable, "no space left").WithHint("banger system prune")
	})
	_, err := h.svc.Create(t.Context(), vm.CreateRequest{}, operation.Discard{})
	wantFault(t, err, fault.Unavailable, "no space left")
	h.nothingLeft()
}

// stageWatcher is a Progress that reacts.
type stageWatcher struct {
	operation.Discard
	stage  func(name string)
	detail func(text string)
}

func (w *stageWatcher) Stage(name string) {
	if w.stage != nil {
		w.stage(name)
	}
}

func (w *stageWatcher) Detail(format string, args ...any) {
	if w.detail != nil {
		w.detail(fmt.Sprintf(format, args...))
	}
}

// TestImageUserIsTakenWhenAVMIsMade fails for a VM whose commands change their user
// when the configuration, or its image, does later.
func TestImageUserIsTakenWhenAVMIsMade(t *testing.T) {
	h := newHarness(t)
	v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("app"), Start: true}, operation.Discard{})
	if err != nil || v.User != "app" || v.LoginName() != "app" {
		t.Fatalf("user %q, %v; want the image's", v.User, err)
	}
	for user, login := range map[string]string{"": "root", "1000:100": "1000:100", "a b": "root", "-oProxyCommand=x": "root"} {
		if got := (vm.VM{User: user}).LoginName(); got != login {
			t.Errorf("the user %q logs in as %q, want %q", user, got, login)
		}
	}
}

func TestNestingIsForHostsThatCan(t *testing.T) {
	h := newHarness(t)
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Nested: true, Start: true}, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	if spec := h.machines.specs[0]; !spec.Nested {
		t.Errorf("the start is of %+v", spec)
	}
	if _, err := h.svc.Stop(t.Context(), "a", time.Second, quiet); err != nil {
		t.Fatal(err)
	}
	h.host.noNesting = fault.New(fault.Unavailable, "cannot nest VMs: nested=0")
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("b"), Nested: true}, operation.Discard{}); !errors.Is(err, h.host.noNesting) {
		t.Errorf("created where it cannot be: %v", err)
	}
	if _, err := h.svc.Start(t.Context(), "a", vm.WaitReady(), quiet); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "nested=0") {
		t.Errorf("started where it can no longer be: %v", err)
	}
	if v, err := h.svc.Set(t.Context(), "a", vm.Change{Nested: new(false)}); err != nil || v.Nested {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := h.svc.Set(t.Context(), "a", vm.Change{Nested: new(true)}); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "VM a has") {
		t.Errorf("set where it cannot be: %v", err)
	}
	if _, err := h.svc.Start(t.Context(), "a", vm.WaitReady(), quiet); err != nil {
		t.Error(err)
	}
}

func TestEntrypointNeedsAProgramAndAPolicy(t *testing.T) {
	h := newHarness(t)
	_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Entrypoint: "sometimes"}, operation.Discard{})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `"sometimes"`) {
		t.Errorf("an unknown policy: %v", err)
	}
	_, err = h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Entrypoint: vm.RestartAlways}, operation.Discard{})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "neither an entrypoint nor a command") {
		t.Errorf("an image without a program: %v", err)
	}
}

// TestTheHealthCheckGoesWithTheProgram fails for a check of a program that does not run, or
// whose VM wants none.
func TestTheHealthCheckGoesWithTheProgram(t *testing.T) {
	check := &image.HealthCheck{Argv: []string{"true"}}
	for name, tc := range map[string]struct {
		req  vm.CreateRequest
		want *image.HealthCheck
	}{
		"runs":     {vm.CreateRequest{Entrypoint: vm.RestartNo}, check},
		"none":     {vm.CreateRequest{Entrypoint: vm.RestartNo, NoHealthcheck: true}, nil},
		"no entry": {vm.CreateRequest{}, nil},
	} {
		h := newHarness(t)
		h.deps.Images = fakeCatalog{points: h.points, cmd: []string{"serve"}, health: check}
		svc := vm.New(h.deps)
		t.Cleanup(svc.Close)
		tc.req.Name, tc.req.Start = new("a"), true
		v, err := svc.Create(t.Context(), tc.req, operation.Discard{})
		if err != nil || v.NoHealthcheck != tc.req.NoHealthcheck {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
		if got := h.machines.lastSpec(t).Guest.HealthCheck; got != tc.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
