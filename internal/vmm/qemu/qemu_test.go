package qemu

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/vmm"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "confine" {
		os.Exit(confine.Command(os.Args[2:], os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

func testSpec() vmm.Spec {
	return vmm.Spec{
		Name: "n", VCPU: 2, MemoryBytes: 512 << 20, Kernel: "/k,1", Initramfs: "/i", CmdlineExtra: "extra=1",
		Disks: []vmm.Disk{
			{Name: "image", Path: "/a,b=\"c\"", ReadOnly: true},
			{Name: "vm", Path: "/vm/disk.ext4"},
		},
	}
}

// flag returns the value after each occurrence of name.
func flag(args []string, name string) []string {
	var values []string
	for i, a := range args {
		if a == name {
			values = append(values, args[i+1])
		}
	}
	return values
}

func TestArguments(t *testing.T) {
	args, err := arguments(testSpec(), false, "amd64", 2596144)
	if err != nil {
		t.Fatal(err)
	}
	if got := flag(args, "-smp"); !slices.Equal(got, []string{"2"}) {
		t.Errorf("-smp %v", got)
	}
	if got := flag(args, "-m"); !slices.Equal(got, []string{"size=536870912B"}) {
		t.Errorf("-m %v", got)
	}
	line := strings.Fields(flag(args, "-append")[0])
	for _, want := range []string{"tsc_early_khz=2596144", "reboot=t", "panic=-1", "extra=1"} {
		if !slices.Contains(line, want) {
			t.Errorf("the kernel's command line lacks %s: %s", want, line)
		}
	}
	var nodes []blockdev
	for _, text := range flag(args, "-blockdev") {
		var b blockdev
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, b)
	}
	if len(nodes) != 2 || !nodes[0].ReadOnly || !nodes[0].File.ReadOnly || nodes[0].File.Filename != "/dev/fdset/6" || nodes[1].ReadOnly || nodes[1].File.Filename != "/dev/fdset/7" {
		t.Errorf("the disks are %+v", nodes)
	}
	if got := flag(args, "-add-fd"); !slices.Equal(got, []string{"fd=6,set=6", "fd=7,set=7"}) {
		t.Errorf("-add-fd %v", got)
	}
	if all := strings.Join(args, " "); strings.Contains(all, "/vm/disk.ext4") {
		t.Error("QEMU is told where a disk is")
	}
}

func TestArgumentsOfKVM(t *testing.T) {
	args, err := arguments(testSpec(), true, "amd64", 0)
	if err != nil {
		t.Fatal(err)
	}
	line := flag(args, "-append")[0]
	if strings.Contains(line, "tsc_early_khz") || strings.Contains(line, "mitigations=off") {
		t.Errorf("real hardware gets %q", line)
	}
	if got := flag(args, "-accel"); !slices.Equal(got, []string{"kvm"}) {
		t.Errorf("-accel %v", got)
	}
}

func TestVirtualisationIsTheGuestsOnlyWhenAsked(t *testing.T) {
	for _, c := range []struct {
		kvm, nested bool
		arch, want  string
	}{
		{true, false, "amd64", "host,svm=off,vmx=off"},
		{true, true, "amd64", "host"},
		{false, false, "amd64", "max,svm=off,vmx=off"},
		{false, true, "amd64", "max"},
		{true, false, "arm64", "host"},
	} {
		spec := testSpec()
		spec.Nested = c.nested
		args, err := arguments(spec, c.kvm, c.arch, 0)
		if got := flag(args, "-cpu"); err != nil || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%+v: -cpu %v, %v", c, got, err)
		}
	}
}

func TestArgumentsOfTheNIC(t *testing.T) {
	spec := testSpec()
	for _, arch := range []string{"amd64", "arm64"} {
		spec.NIC = nil
		args, err := arguments(spec, false, arch, 0)
		if err != nil || len(flag(args, "-netdev")) != 0 || strings.Contains(strings.Join(args, " "), "virtio-net") {
			t.Errorf("%s: without a network: %v, %v", arch, args, err)
		}
		spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 65520}
		args, err = arguments(spec, false, arch, 0)
		if err != nil || !slices.Equal(flag(args, "-netdev"), []string{"stream,id=net,server=off,addr.type=fd,addr.str=6"}) {
			t.Errorf("%s: -netdev %v, %v", arch, flag(args, "-netdev"), err)
		}
		var nic struct {
			Driver, MAC string
			MTU         int `json:"host_mtu"`
		}
		devices := flag(args, "-device")
		if err := json.Unmarshal([]byte(devices[len(devices)-1]), &nic); err != nil || nic.Driver != "virtio-net-device" || nic.MAC != "52:54:00:00:01:02" || nic.MTU != 65520 {
			t.Errorf("%s: the NIC is %+v, %v", arch, nic, err)
		}
	}
}

// What QEMU inherits must be in the order in which its command line names it.
func TestEndsAreInOrder(t *testing.T) {
	for _, nic := range []bool{false, true} {
		e, err := openEnds(filepath.Join(t.TempDir(), "a.sock"), nic)
		if err != nil {
			t.Fatal(err)
		}
		pairs := map[int]net.Conn{fdQMP: e.qmp, fdConsole: e.console}
		if nic {
			pairs[fdNIC] = e.nic
		} else if e.nic != nil {
			t.Error("a NIC that nobody asked for")
		}
		if len(e.theirs) != len(pairs)+1 {
			t.Fatalf("%d descriptors for %d pairs", len(e.theirs), len(pairs))
		}
		for fd, ours := range pairs {
			word := fmt.Sprint("for ", fd)
			if _, err := io.WriteString(ours, word); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(word))
			if _, err := io.ReadFull(e.theirs[fd-fdQMP], got); err != nil || string(got) != word {
				t.Errorf("descriptor %d reads %q, %v", fd, got, err)
			}
		}
		e.closeTheirs()
		e.closeOurs()
		if nic {
			_ = e.nic.Close()
		}
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		failure string
		last    shutdownData
		want    vmm.Cause
	}{
		{"", shutdownData{true, "guest-shutdown"}, vmm.GuestOff},
		{"", shutdownData{true, "guest-reset"}, vmm.GuestReset},
		{"", shutdownData{false, "host-signal"}, vmm.HostShutdown},
		{"", shutdownData{}, vmm.HostShutdown},
		{"killed by SIGKILL", shutdownData{true, "guest-shutdown"}, vmm.Failed},
		{"exit status 1", shutdownData{}, vmm.Failed},
	} {
		if got := classify(tt.failure, tt.last); got.Cause != tt.want || got.Detail == "" {
			t.Errorf("classify(%q, %+v) = %+v; want %v", tt.failure, tt.last, got, tt.want)
		}
	}
}

// TestTheShapeHasNothingOfOneVM fails when a clone would be refused for its name or its disks,
// or go on with CPUs or devices that its guest has never seen.
func TestTheShapeHasNothingOfOneVM(t *testing.T) {
	shape := func(change func(*vmm.Spec)) string {
		t.Helper()
		spec := testSpec()
		spec.NIC = &vmm.NIC{MAC: "52:54:00:00:00:01", MTU: 1500}
		change(&spec)
		s, err := (&Driver{}).Shape(spec)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain := shape(func(*vmm.Spec) {})
	for what, same := range map[string]func(*vmm.Spec){
		"name":  func(s *vmm.Spec) { s.Name = "other" },
		"disk":  func(s *vmm.Spec) { s.Disks[0].Name, s.Disks[0].Path = "other", "/other" },
		"files": func(s *vmm.Spec) { s.Kernel, s.Initramfs = "/other", "/other" },
		"from":  func(s *vmm.Spec) { s.From = &vmm.Saved{} },
		"saves": func(s *vmm.Spec) { s.Saves = true },
	} {
		if got := shape(same); got != plain {
			t.Errorf("another %s is another shape:\n%s\n%s", what, got, plain)
		}
	}
	for what, other := range map[string]func(*vmm.Spec){
		"number of CPUs":  func(s *vmm.Spec) { s.VCPU++ },
		"memory":          func(s *vmm.Spec) { s.MemoryBytes *= 2 },
		"number of disks": func(s *vmm.Spec) { s.Disks = s.Disks[:1] },
		"kind of disk":    func(s *vmm.Spec) { s.Disks[1].ReadOnly = true },
		"card":            func(s *vmm.Spec) { s.NIC = nil },
		"MAC":             func(s *vmm.Spec) { s.NIC.MAC = "52:54:00:00:00:02" },
		"MTU":             func(s *vmm.Spec) { s.NIC.MTU = 9000 },
		"nesting":         func(s *vmm.Spec) { s.Nested = true },
		"command line":    func(s *vmm.Spec) { s.CmdlineExtra = "other" },
	} {
		if shape(other) == plain {
			t.Errorf("another %s is the same shape", what)
		}
	}
}
