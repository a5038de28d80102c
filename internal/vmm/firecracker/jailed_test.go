package firecracker

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/guest"
	"github.com/bangervm/banger/internal/monitor/testguest"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/process"
)

const testUID = 2_000_000_007

// needJailer is a real Firecracker that has its jailer beside it.
func needJailer(t *testing.T) string {
	t.Helper()
	program := os.Getenv("BANGER_E2E_FIRECRACKER")
	if program == "" || os.Getuid() != 0 {
		t.Skip("needs root, and BANGER_E2E_FIRECRACKER to name a Firecracker")
	}
	return program
}

// TestTheJailersFirecracker needs no KVM: Firecracker's API answers before it has a guest.
// With BANGER_TEST_KVM=1 it boots one.
func TestTheJailersFirecracker(t *testing.T) {
	kvm := os.Getenv("BANGER_TEST_KVM") == "1"
	m, spec := jailedMachine(t, needJailer(t), kvm)
	agent, err := net.Listen("unix", filepath.Join(m.site.Dir, "vsock.sock_1024")) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = agent.Close() }()
	startJailed(t, m, spec)
	for _, step := range m.steps(spec) {
		if err := m.api.put(t.Context(), step.path, step.body); err != nil && step.path != "/cpu-config" {
			t.Errorf("%s: %v", step.path, err)
		}
	}
	inJail(t, m.process.PID(), m.jail.Root())
	reachesOut(t, m.jail.Root(), agent)
	if kvm {
		bootsInJail(t, m)
	}
	// As the end of the monitor does:
	if err := syscall.Kill(parentOf(t, m.process.PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-m.process.Exited
	if err := syscall.Kill(m.process.PID(), 0); err == nil {
		t.Error("Firecracker outlives its supervisor")
	}
	m.release()
	_ = agent.Close()
	if left, err := os.ReadDir(m.site.Dir); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// jailedMachine is a machine whose jail is furnished, and its spec in there.
func jailedMachine(t *testing.T, program string, kvm bool) (*Machine, vmm.Spec) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kernel, initramfs := write("vmlinux"), write("initramfs")
	if kvm {
		files := testguest.Make(t)
		kernel, initramfs = uncompressed(t, files.Kernel), files.Initramfs
	}
	spec := vmm.Spec{
		Name: "a_b", Program: program, VCPU: 1, MemoryBytes: 256 << 20, Kernel: kernel, Initramfs: initramfs,
		Disks: []vmm.Disk{{Name: "vm", Path: write("disk")}}, NIC: &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 65520}, JailUID: testUID,
	}
	site := vmm.Site{Dir: filepath.Join(dir, "run"), Console: io.Discard, Log: slog.New(slog.DiscardHandler), Confine: []string{self(t), "confine"}}
	if err := os.Mkdir(site.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m := &Machine{site: site}
	var err error
	if m.jail, spec, err = furnish(spec, site); err != nil {
		t.Fatal(err)
	}
	m.dir = m.jail.Root()
	giveLibraries(t, program, m.dir)
	return m, spec
}

// startJailed starts Firecracker, until its API answers.
func startJailed(t *testing.T, m *Machine, spec vmm.Spec) {
	t.Helper()
	theirs, err := m.openPipes()
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(theirs)
	command, err := m.program(New(), spec, theirs)
	if err != nil {
		t.Fatal(err)
	}
	if m.process, err = process.Start(command); err != nil {
		t.Fatal(err)
	}
	m.api = clientBy(func(ctx context.Context) (net.Conn, error) { return m.jail.dial(ctx, apiSocket) }, usualLimits())
	if err := m.jail.relay(t.Context(), m.site.Dir); err != nil {
		t.Fatal(err)
	}
	if err := m.awaitAPI(t.Context()); err != nil {
		select {
		case <-m.process.Exited:
			t.Fatal(err, m.process.Failure(), m.log.lastLine())
		default:
			t.Fatal(err)
		}
	}
}

// giveLibraries puts what a Firecracker that is not static needs into a jail, which banger
// would not do: it refuses such a Firecracker before.
func giveLibraries(t *testing.T, program, root string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ldd", program).CombinedOutput()
	if err != nil {
		return // it is static
	}
	for word := range strings.FieldsSeq(string(out)) {
		if !filepath.IsAbs(word) {
			continue
		}
		data, err := os.ReadFile(word)
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(root, word)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// inJail looks at the process: its user, its root and its privileges.
func inJail(t *testing.T, pid int, root string) {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	uid := strconv.Itoa(testUID)
	for _, want := range []string{"Uid:\t" + strings.Join([]string{uid, uid, uid, uid}, "\t"), "CapEff:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in %s", want, status)
		}
	}
	inside, err := os.Stat(filepath.Join(proc, "root"))
	outside, err2 := os.Stat(root)
	if err != nil || err2 != nil || !os.SameFile(inside, outside) {
		t.Errorf("its root is not the jail: %v, %v", err, err2)
	}
}

// reachesOut connects by the jail's socket for the guest's connections.
func reachesOut(t *testing.T, root string, agent net.Listener) {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(root, "vsock.sock_1024")) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		t.Fatal(err)
	}
	got, err := agent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Close() }()
	said := make([]byte, 6)
	if _, err := io.ReadFull(got, said); err != nil || string(said) != "hello\n" {
		t.Errorf("%q, %v", said, err)
	}
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if parent, ok := strings.CutPrefix(line, "PPid:\t"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(parent))
			return n
		}
	}
	t.Fatal("no parent")
	return 0
}

// bootsInJail starts the guest and speaks with it by the sockets of the run directory.
func bootsInJail(t *testing.T, m *Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := m.api.act(ctx, actionStart); err != nil {
		t.Fatal(err)
	}
	client := guest.Client{Socket: filepath.Join(m.site.Dir, vmm.VsockSocket)}
	for {
		conn, err := client.Dial(ctx, testguest.CommandPort)
		if err == nil {
			_ = conn.Close()
			return
		}
		if err := pace.Pause(ctx, 20*time.Millisecond); err != nil {
			t.Fatalf("the guest cannot be dialled: %v", err)
		}
	}
}
