package process_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/tap"
	"github.com/bangervm/banger/internal/vmm/process"
)

// monitorMain is a monitor: it starts the VMM below and passes its frames on by stdin and
// stdout. Its first line is the VMM's process id.
func monitorMain(self string, mtu int) error {
	p, err := process.Start(vmmCommand(self, mtu))
	if err != nil {
		return err
	}
	nic := p.NIC()
	fmt.Printf("%d %s\n", p.PID(), p.Confinement()) //nolint:forbidigo // it is a program
	go func() {
		_, _ = io.Copy(nic, os.Stdin)
		_ = p.Signal(syscall.SIGKILL)
	}()
	_, err = io.Copy(os.Stdout, nic)
	<-p.Exited
	if p.DeathSignal() != syscall.SIGKILL {
		return errors.New(p.Failure())
	}
	return err
}

// vnetHeader is the length of struct virtio_net_hdr_v1, which Firecracker sets.
const vnetHeader = 12

// vmmMain is a VMM: it attaches to the TAP device as Firecracker does, and sends each
// frame that it gets back with the addresses swapped. A frame whose EtherType is
// offloadType becomes a TCP segment of 60,000 bytes that the host must cut and sum.
func vmmMain() error {
	if err := powerless(); err != nil {
		return err
	}
	fd, err := unix.Open(tap.ControlDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	r, err := unix.NewIfreq("tap0")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnetHeader); err != nil {
		return err
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6|unix.TUN_F_UFO); err != nil {
		return err
	}
	buf := make([]byte, 1<<17)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return err
		}
		frame := buf[:n]
		if binary.BigEndian.Uint16(frame[vnetHeader+12:]) == offloadType {
			frame = offloaded()
		} else {
			swap(frame[vnetHeader:])
		}
		if _, err := unix.Write(fd, frame); err != nil {
			return err
		}
	}
}

// powerless returns an error if this process may do anything to its network.
func powerless() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for _, set := range []string{"CapEff", "CapPrm", "CapAmb"} {
		if !strings.Contains(string(status), set+":\t0000000000000000\n") {
			return fmt.Errorf("the VMM has capabilities: %s", status)
		}
	}
	fd, err := unix.Open(tap.ControlDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	r, err := unix.NewIfreq("another")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_TAP)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("another device: %w", err)
	}
	return unix.Close(fd)
}

func swap(frame []byte) {
	var to [6]byte
	copy(to[:], frame[:6])
	copy(frame[:6], frame[6:12])
	copy(frame[6:12], to[:])
}

// rig is a monitor and its VMM.
type rig struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	said   bytes.Buffer
	vmm    int
	report string
}

// frameLimit bounds each wait of the tests.
const frameLimit = 20 * time.Second

func newRig(t *testing.T, uid uint32, mtu int) *rig {
	t.Helper()
	need(t, confine.HasNamespaces(t.Context()), "this host gives its users no namespaces")
	f, err := os.OpenFile(tap.ControlDevice, os.O_RDWR, 0)
	need(t, err == nil, fmt.Sprintf("no TAP devices: %v", err))
	_ = f.Close()
	self := visible(t)
	r := &rig{t: t, cmd: exec.CommandContext(t.Context(), self, "monitor", strconv.Itoa(mtu))}
	if int(uid) != os.Getuid() {
		r.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	r.cmd.Dir, r.cmd.Stderr = "/", &r.said
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout = out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(frameLimit, func() {
		t.Error("the monitor takes too long")
		_ = r.cmd.Process.Kill()
	})
	t.Cleanup(func() {
		limit.Stop()
		_ = r.stdin.Close()
		_ = r.cmd.Wait()
		if r.said.Len() > 0 {
			t.Errorf("the monitor says %s", r.said.String())
		}
	})
	if _, err := fmt.Fscanf(r.stdout, "%d ", &r.vmm); err != nil {
		t.Fatalf("the monitor did not start: %v", err)
	}
	r.report = r.line()
	return r
}

// visible is this executable where any user can run it.
func visible(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "self")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (r *rig) line() string {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r.stdout, b); err != nil {
			r.t.Fatal(err)
		}
		if b[0] == '\n' {
			return string(line)
		}
		line = append(line, b[0])
	}
}

func (r *rig) send(frame []byte) {
	r.t.Helper()
	if _, err := r.stdin.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) next() []byte {
	r.t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(r.stdout, head[:]); err != nil {
		r.t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(r.stdout, frame); err != nil {
		r.t.Fatal(err)
	}
	return frame
}
