package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/seriallink"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func TestProcessSaysHowItEnded(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"exit 0", ""},
		{"echo 'qemu-system-x86_64: -m: no memory' >&2; exit 1", "QEMU: exit status 1: -m: no memory"},
		{"kill -KILL $$", "QEMU: killed by SIGKILL"},
	} {
		p, err := startProcess("/bin/sh", []string{"-c", tt.script}, t.TempDir(), nil, &syscall.SysProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		<-p.exited
		if got := p.failure(); got != tt.want {
			t.Errorf("%s: %q; want %q", tt.script, got, tt.want)
		}
		if err := p.signal(syscall.SIGTERM); err != nil {
			t.Errorf("signal after the end: %v", err)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	var said tail
	for range 1000 {
		_, _ = said.Write([]byte("a line of QEMU's\n"))
	}
	if len(said.buf) > maxSaid || said.last() != "a line of QEMU's" {
		t.Errorf("%d bytes, last %q", len(said.buf), said.last())
	}
}

// fakeQMP answers commands as script says, after a greeting.
func fakeQMP(t *testing.T, greeting string, answer func(command string, id int) string) net.Conn {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = theirs.Close() })
	go func() {
		defer func() { _ = theirs.Close() }()
		if _, err := io.WriteString(theirs, greeting); err != nil {
			return
		}
		for lines := bufio.NewScanner(theirs); lines.Scan(); {
			var req struct {
				Execute string `json:"execute"`
				ID      int    `json:"id"`
			}
			if json.Unmarshal(lines.Bytes(), &req) != nil {
				return
			}
			if _, err := io.WriteString(theirs, answer(req.Execute, req.ID)); err != nil {
				return
			}
		}
	}()
	return ours
}

const greeting = `{"QMP": {"version": {}, "capabilities": []}}` + "\n"

func TestQMP(t *testing.T) {
	events := make(chan qmpEvent, 8)
	conn := fakeQMP(t, greeting, func(command string, id int) string {
		switch command {
		case "stop":
			return `{"event":"STOP","data":{}}` + "\n" + fmt.Sprintf(`{"return":{},"id":%d}`+"\n", id)
		case "bad":
			return fmt.Sprintf(`{"error":{"class":"GenericError","desc":"no such thing"},"id":%d}`+"\n", id)
		case "late": // the answer to an earlier command comes first
			return fmt.Sprintf(`{"return":{},"id":%d}`+"\n"+`{"return":{},"id":%d}`+"\n", id-1, id)
		case "silence":
			return ""
		default:
			return fmt.Sprintf(`{"return":{},"id":%d}`+"\n", id)
		}
	})
	q, err := openQMP(t.Context(), conn, func(e qmpEvent) { events <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	if err := q.execute(t.Context(), "stop", nil); err != nil {
		t.Error(err)
	}
	select {
	case e := <-events:
		if e.Name != "STOP" {
			t.Errorf("event %s", e.Name)
		}
	default:
		t.Error("the event did not come before the reply")
	}
	if err := q.execute(t.Context(), "bad", nil); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("bad gave %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := q.execute(ctx, "silence", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence gave %v", err)
	}
	if err := q.execute(t.Context(), "late", nil); err != nil {
		t.Errorf("late gave %v", err)
	}
	q.close()
	if err := q.execute(t.Context(), "cont", nil); err == nil {
		t.Error("a command after the end gave no error")
	}
}

func TestQMPOfSomethingElse(t *testing.T) {
	for _, text := range []string{"", "SSH-2.0\n", "{}\n", strings.Repeat("x", maxQMPLine+1)} {
		conn := fakeQMP(t, text, func(string, int) string { return "" })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if q, err := openQMP(ctx, conn, func(qmpEvent) {}); err == nil {
			q.close()
			t.Errorf("the greeting %.20q was taken", text)
		}
		cancel()
	}
}

func FuzzQMPEvents(f *testing.F) {
	f.Add([]byte(`{"event":"BLOCK_IO_ERROR","data":{"action":"stop","nospace":true,"node-name":"x"}}` + "\n"))
	f.Add([]byte(`{"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-reset"}}` + "\n" + `{"return":1,"id":7}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		m := &Machine{events: make(chan vmm.Event)}
		go func() {
			for range m.events {
			}
		}()
		go func() {
			_, _ = io.WriteString(theirs, greeting+`{"return":{},"id":1}`+"\n")
			_, _ = theirs.Write(data)
			_ = theirs.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		if q, err := openQMP(t.Context(), ours, m.onEvent); err == nil {
			<-q.done
			q.close()
		}
		close(m.events)
	})
}

func FuzzConnectLine(f *testing.F) {
	for _, s := range []string{"CONNECT 1024\n", "connect 1\nrest", "CONNECT 99999999999\n", "CONNECT\n", strings.Repeat("C", 40)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := strings.NewReader(string(data))
		port, err := readConnect(r)
		used := len(data) - r.Len()
		if used > maxConnectLine {
			t.Errorf("%d bytes were read", used)
		}
		if err == nil && (data[used-1] != '\n' || !strings.Contains(string(data[:used]), " ")) {
			t.Errorf("%q gave port %d", data[:used], port)
		}
	})
}

// vsockRig is a hybridVsock whose guest serves echo on port 7.
type vsockRig struct {
	*hybridVsock
	guest chan *seriallink.Link
	lines chan net.Conn
}

func newVsockRig(t *testing.T) *vsockRig {
	t.Helper()
	rig := &vsockRig{guest: make(chan *seriallink.Link, 4), lines: make(chan net.Conn, 4)}
	dial := func(ctx context.Context) (net.Conn, error) {
		host, guest := net.Pipe()
		go func() {
			link, err := seriallink.Guest(context.WithoutCancel(ctx), guest)
			if err != nil {
				return
			}
			rig.lines <- guest
			rig.guest <- link
			_ = link.Serve(context.WithoutCancel(ctx), func(_ context.Context, port uint32) func(net.Conn) {
				if port != 7 {
					return nil
				}
				return func(c net.Conn) { _, _ = io.Copy(c, c) }
			})
		}()
		return host, nil
	}
	v, err := serveVsock(t.Context(), filepath.Join(t.TempDir(), "v.sock"), dial, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rig.hybridVsock = v
	t.Cleanup(v.close)
	return rig
}

// connect sends a first line and returns the answer's, empty where the
// connection is closed without a word.
func (r *vsockRig) connect(t *testing.T, line string) (*net.UnixConn, string) {
	t.Helper()
	conn, err := statedir.DialUnix(t.Context(), r.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, line); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
	if err != nil && answer != "" {
		t.Fatalf("half an answer: %q, %v", answer, err)
	}
	return conn.(*net.UnixConn), answer
}

func TestHybridVsockToTheGuest(t *testing.T) {
	r := newVsockRig(t)
	conn, answer := r.connect(t, "CONNECT 7\n")
	if answer != fmt.Sprintf("OK %d\n", firstHostPort) {
		t.Fatalf("answer %q", answer)
	}
	if _, err := io.WriteString(conn, "both ways"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "both ways" {
		t.Errorf("echo gave %q, %v", got, err)
	}
	for _, line := range []string{"CONNECT 8\n", "HELLO 7\n", "CONNECT -7\n", strings.Repeat("x", maxConnectLine)} {
		if _, answer := r.connect(t, line); answer != "" {
			t.Errorf("%q was answered %q", line, answer)
		}
	}
}

func TestHybridVsockFromTheGuest(t *testing.T) {
	r := newVsockRig(t)
	listener, err := statedir.ListenUnix(r.path + "_9")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		if c, err := listener.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	guest := <-r.guest
	if _, err := guest.Dial(t.Context(), 10); !errors.Is(err, seriallink.ErrRefused) {
		t.Errorf("a port where nobody listens gave %v", err)
	}
	conn, err := guest.Dial(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "from the guest"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "from the guest" {
		t.Errorf("echo gave %q, %v", got, err)
	}
}

func TestHybridVsockLinksAgain(t *testing.T) {
	r := newVsockRig(t)
	first := <-r.guest
	old, answer := r.connect(t, "CONNECT 7\n")
	if answer == "" {
		t.Fatal("refused")
	}
	_ = (<-r.lines).Close()
	<-first.Done()
	if _, err := io.ReadAll(old); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a stream of the lost link ended with %v", err)
	}
	<-r.guest
	if _, answer := r.connect(t, "CONNECT 7\n"); answer == "" {
		t.Error("refused after the second link")
	}
}

func TestHybridVsockCloseEndsAll(t *testing.T) {
	r := newVsockRig(t)
	conn, _ := r.connect(t, "CONNECT 7\n")
	r.close()
	if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the stream ended with %v", err)
	}
}
