package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/e2e/fixture"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/guest"
	"github.com/bangervm/banger/internal/initramfs"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/kmod"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmlinux"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/qemu"
)

// bootLimit bounds the whole life of a machine.
const bootLimit = 3 * time.Minute

// machine is the real agent in a real machine, with nothing of the daemon or the
// monitor around it.
type machine struct {
	t        *testing.T
	client   guest.Client
	messages chan agentrpc.GuestMessage
	nic      *peer
	console  *lockedBuffer
	vmm      vmm.Machine
}

// boot starts a machine and returns when it is ready. network says whether it
// has a network card.
func boot(t *testing.T, network bool) *machine {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a machine")
	}
	vmmPath, err := exec.LookPath("qemu-system-x86_64")
	if err != nil || runtime.GOARCH != "amd64" {
		missing(t, "no qemu-system-x86_64 for %s", runtime.GOARCH)
	}
	m := &machine{t: t, messages: make(chan agentrpc.GuestMessage, 64), nic: &peer{}, console: &lockedBuffer{}}
	spec, configure := m.prepare(vmmPath, network)
	run := t.TempDir()
	m.client = guest.Client{Socket: filepath.Join(run, "vsock.sock"), Token: configure.Token}
	control, err := statedir.ListenUnix(filepath.Join(run, "vsock.sock_1024"))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { m.serveControl(control, configure) })
	t.Cleanup(func() { _ = control.Close(); serving.Wait() })
	began := time.Now()
	m.vmm, err = qemu.TCG().Start(t.Context(), spec, vmm.Site{
		Dir: run, Console: m.console, Log: slog.New(slog.DiscardHandler), NIC: m.nic.serve,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.vmm.Signal(os.Kill)
		for e := range m.vmm.Events() {
			_ = e.Kind == vmm.Exited
		}
		m.nic.wait()
		if t.Failed() {
			t.Log(m.console.String())
		}
	})
	m.awaitReady(began)
	return m
}

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// prepare makes the kernel, the initramfs and the disks.
func (m *machine) prepare(vmmPath string, network bool) (vmm.Spec, agentrpc.Configure) {
	t := m.t
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	dirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	if err := os.MkdirAll(dirs.Kernels(), 0o700); err != nil {
		t.Fatal(err)
	}
	mkfs := func(ctx context.Context, tar io.Reader, path string) error {
		_, err := rootfs.FromTar(ctx, tar, path, rootfs.Options{})
		return err
	}
	kernels := kernel.NewService(kernel.Deps{
		Store: kernelstore.New(dirs, log), Executables: vmlinux.Executables{}, Modules: kmod.New(mkfs), Users: nobody{},
		Open: kernelstore.OpenSource, Now: time.Now, Architecture: runtime.GOARCH,
	})
	k, err := kernels.Import(ctx, "test", kerneltest.Package(t), quiet{})
	if err != nil {
		t.Fatal(err)
	}
	agent := filepath.Join(t.TempDir(), "agent")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", agent, "github.com/bangervm/banger/cmd/banger-vsock-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive, err := initramfs.New(dirs, agent, log).Build(ctx, k, dirs.Kernel(k.Name))
	if err != nil {
		t.Fatal(err)
	}
	image, disk := filepath.Join(dirs.State, "image.ext4"), filepath.Join(dirs.State, "disk.ext4")
	makeImage(t, mkfs, image)
	if err := rootfs.NewDisks(dirs.Cache).Create(ctx, disk, 256<<20); err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	spec := vmm.Spec{
		Name: "boot", Program: vmmPath, VCPU: 1, MemoryBytes: 256 << 20,
		Kernel: dirs.Kernel(k.Name).Vmlinux(), Initramfs: archive,
		Disks: []vmm.Disk{
			{Name: vm.SerialImage, Path: image, ReadOnly: true},
			{Name: vm.SerialVM, Path: disk},
			{Name: vm.SerialModules, Path: dirs.Kernel(k.Name).Modules(), ReadOnly: true},
		},
	}
	configure := agentrpc.Configure{
		Hostname: "boot", MachineID: strings.Repeat("ab", 16), UnixNano: time.Now().UnixNano(), Token: "sesame", HostKey: string(pem.EncodeToMemory(key)),
		Disks: agentrpc.Disks{Image: vm.SerialImage, VM: vm.SerialVM, Modules: vm.SerialModules},
		Init:  agentrpc.Init{Mode: agentrpc.InitAuto},
	}
	if network {
		spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 65520}
		configure.Network = &agentrpc.Network{
			MAC: "52:54:00:00:01:02", MTU: 65520, Address: []string{"198.18.1.2/15", "fd62:616e:6765:7200::102/64"},
			Gateway: []string{"198.18.0.1", "fd62:616e:6765:7200::1"}, DNS: []string{"198.18.0.1"},
		}
	}
	return spec, configure
}

// makeImage makes an image of busybox whose resolv.conf is a link to nowhere.
func makeImage(t *testing.T, mkfs kmod.MakeFilesystem, path string) {
	t.Helper()
	entries, err := fixture.Busybox(t.Context())
	if err != nil {
		missing(t, "no busybox: %v", err)
	}
	var tar bytes.Buffer
	if err := fixture.Pack(&tar, append(entries, fixture.Symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"))); err != nil {
		t.Fatal(err)
	}
	if err := mkfs(t.Context(), &tar, path); err != nil {
		t.Fatal(err)
	}
}

// serveControl is the monitor's part: it answers Hello, and passes all on.
func (m *machine) serveControl(l net.Listener, configure agentrpc.Configure) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		lines := bufio.NewScanner(conn)
		lines.Buffer(nil, agentrpc.MaxLine)
		for lines.Scan() {
			var msg agentrpc.GuestMessage
			if json.Unmarshal(lines.Bytes(), &msg) != nil {
				break
			}
			if msg.Hello != nil && !msg.Hello.Configured {
				_ = json.NewEncoder(conn).Encode(agentrpc.HostMessage{Configure: &configure})
			}
			select {
			case m.messages <- msg:
			default: // nobody looks
			}
		}
		_ = conn.Close()
	}
}

// until waits for a message that want accepts.
func (m *machine) until(what string, want func(agentrpc.GuestMessage) bool) {
	m.t.Helper()
	limit := time.NewTimer(bootLimit)
	defer limit.Stop()
	for {
		select {
		case msg := <-m.messages:
			if msg.Failed != nil {
				m.t.Fatalf("failed at %s: %s", msg.Failed.Stage, msg.Failed.Message)
			}
			if want(msg) {
				return
			}
		case <-limit.C:
			m.t.Fatalf("no %s within %s", what, bootLimit)
		}
	}
}

// awaitReady logs how long each stage took.
func (m *machine) awaitReady(began time.Time) {
	m.t.Helper()
	stage, since := "boot", began
	m.until("ready", func(msg agentrpc.GuestMessage) bool {
		if msg.Stage == nil && msg.Ready == nil {
			return false
		}
		m.t.Logf("%-14s %v", stage, time.Since(since).Round(100*time.Microsecond))
		since = time.Now()
		if msg.Stage != nil {
			stage = msg.Stage.Name
		}
		return msg.Ready != nil
	})
	m.t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
}

// sh runs a shell's command in the guest and returns what it wrote.
func (m *machine) sh(command string) string {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), bootLimit)
	defer cancel()
	conn, err := m.client.Exec(ctx, agentrpc.ExecRequest{Command: []string{"sh", "-c", command + " 2>&1"}})
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(bootLimit)); err != nil {
		m.t.Fatal(err)
	}
	var out bytes.Buffer
	for {
		ft, payload, err := agentrpc.ReadFrame(conn, nil)
		if err != nil {
			m.t.Fatalf("%s: %v after %q", command, err, out.String())
		}
		switch ft {
		case agentrpc.FrameStdout, agentrpc.FrameStderr:
			out.Write(payload)
		case agentrpc.FrameError:
			m.t.Fatalf("%s: %s", command, payload[4:])
		default:
			return strings.TrimSpace(out.String())
		}
	}
}

type nobody struct{}

func (nobody) Release(context.Context, string) ([]string, error) { return nil, nil }

type quiet struct{}

func (quiet) Stage(string) {}

func (quiet) Detail(string, ...any) {}

func (quiet) Count(int64, int64, string) {}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
