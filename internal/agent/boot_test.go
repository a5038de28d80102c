package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
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
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/e2e/fixture"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
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
	archive, err := initramfs.New(dirs, agent, log).Build(ctx, k)
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

// TestNetworkCard boots the agent with a network card, and looks at the network
// from both ends of its cable.
func TestNetworkCard(t *testing.T) {
	m := boot(t, true)
	for _, c := range [][2]string{
		{"cat /sys/class/net/eth0/mtu", "65520"},
		{"cat /sys/class/net/eth0/address", "52:54:00:00:01:02"},
		{"cat /sys/class/net/eth0/carrier", "1"},
		{"cat /etc/resolv.conf", "# by banger, at each start\nnameserver 198.18.0.1"},
		{"grep -c '^127.0.1.1.boot.# by banger$' /etc/hosts", "1"},
		{"grep -c 'eth0.00000000.010012C6' /proc/net/route", "1"},
		{"grep -c '^fd62616e676572000000000000000102 .* 40 00 82 *eth0' /proc/net/if_inet6", "1"},
		{"grep -c '^0\\{32\\} 00 .* fd62616e676572000000000000000001 .* eth0' /proc/net/ipv6_route", "1"},
	} {
		if got := m.sh(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", c[0], got, c[1])
		}
	}
	for _, size := range []string{"56", "60000"} {
		if got := m.sh("ping -c 1 -W 10 -s " + size + " 198.18.0.1"); !strings.Contains(got, " 1 packets received") {
			t.Errorf("ping with %s bytes: %s", size, got)
		}
	}
	m.listensAndDials()
	if largest := m.nic.largest.Load(); largest != 60000+8+20+14 {
		t.Errorf("the largest frame had %d bytes: a packet of 60028 was cut", largest)
	}
	if foreign := m.nic.foreign.Load(); foreign != 0 {
		t.Errorf("%d frames from another MAC", foreign)
	}
}

// listensAndDials sees a listener of the guest come and go, and talks to it from
// inside the guest.
func (m *machine) listensAndDials() {
	t := m.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	listening := func(what string, want bool) {
		began := time.Now()
		m.until(what, func(msg agentrpc.GuestMessage) bool {
			if msg.Listening == nil {
				return false
			}
			for _, s := range msg.Listening.Sockets {
				if s.Proto == "tcp" && s.Port == 8080 {
					if s.Process != "nc" || s.Command != "nc -l -p 8080 -e cat" || s.PID == 0 {
						t.Errorf("the listener is %+v", s)
					}
					return want
				}
			}
			return !want
		})
		t.Logf("%s seen after %v", what, time.Since(began).Round(time.Millisecond))
	}
	listening("no listener", false)
	m.sh("nc -l -p 8080 -e cat >/dev/null 2>&1 &")
	listening("the listener", true)
	owner, err := m.client.SocketOwner(ctx, "tcp", 8080)
	if err != nil || owner.Process != "nc" {
		t.Errorf("the port's owner is %+v, %v", owner, err)
	}
	conn, err := m.client.DialGuest(ctx, agentrpc.DialRequest{Network: "tcp", Address: "127.0.0.1:8080"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "to and fro"); err != nil {
		t.Error(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "to and fro" {
		t.Errorf("the listener said %q, %v", got, err)
	}
	listening("its end", false)
	if _, err := m.client.DialGuest(ctx, agentrpc.DialRequest{Network: "tcp", Address: "127.0.0.1:8080"}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("after its end: %v", err)
	}
	if health, err := m.client.Health(ctx); err != nil || health.CPUSeconds <= 0 || health.CPUSeconds > health.Uptime {
		t.Errorf("health is %+v, %v", health, err)
	}
}

// TestNoNetworkCard sees that a machine without one has nothing to do with networks.
func TestNoNetworkCard(t *testing.T) {
	m := boot(t, false)
	for _, c := range [][2]string{
		{"ls /sys/class/net", "lo"},
		{"grep -c -E '^(virtio_net|failover|net_failover) ' /proc/modules", "0"},
		{"readlink /etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"},
		{"ping -c 1 -W 10 127.0.0.1 | grep -c ' 1 packets received'", "1"},
	} {
		if got := m.sh(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", c[0], got, c[1])
		}
	}
}

// peer is what is at the other end of the cable: it answers ARP for the gateway,
// and echoes.
type peer struct {
	work             sync.WaitGroup
	largest, foreign atomic.Int64
}

func (p *peer) wait() { p.work.Wait() }

func (p *peer) serve(conn net.Conn) {
	p.work.Go(func() {
		defer func() { _ = conn.Close() }()
		in := bufio.NewReader(conn)
		for {
			var size uint32
			if binary.Read(in, binary.BigEndian, &size) != nil || size < 14 || size > 1<<17 {
				return
			}
			frame := make([]byte, size)
			if _, err := io.ReadFull(in, frame); err != nil {
				return
			}
			p.largest.Store(max(p.largest.Load(), int64(size)))
			if !bytes.Equal(frame[6:12], []byte{0x52, 0x54, 0, 0, 1, 2}) {
				p.foreign.Add(1)
			}
			if answer := respond(frame); answer != nil {
				if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)); err != nil {
					return
				}
			}
		}
	})
}

// respond turns a frame into its answer, in place; nil is none.
func respond(frame []byte) []byte {
	gateway := []byte{2, 0, 0, 0, 0, 1}
	swap := func(a, b []byte) {
		for i := range a {
			a[i], b[i] = b[i], a[i]
		}
	}
	copy(frame[:6], frame[6:12])
	copy(frame[6:12], gateway)
	switch body := frame[14:]; {
	case frame[12] == 8 && frame[13] == 6 && len(body) >= 28 && body[7] == 1 && bytes.Equal(body[24:28], []byte{198, 18, 0, 1}):
		body[7] = 2 // a reply
		swap(body[8:18], body[18:28])
		copy(body[8:14], gateway)
		return frame
	case frame[12] == 8 && frame[13] == 0 && len(body) >= 28 && body[9] == 1 && body[20] == 8:
		swap(body[12:16], body[16:20])
		body[20] = 0                                             // an echo's reply
		sum := uint32(binary.BigEndian.Uint16(body[22:])) + 8<<8 // RFC 1624
		binary.BigEndian.PutUint16(body[22:], uint16(sum+sum>>16))
		return frame
	default:
		return nil
	}
}

type nobody struct{}

func (nobody) KernelUsers(context.Context, string) ([]string, error) { return nil, nil }

type quiet struct{}

func (quiet) Stage(string)               {}
func (quiet) Detail(string, ...any)      {}
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
