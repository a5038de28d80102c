// The PID 1 of test machines: it says what an agent says, and does what tests
// tell it, by words in the environment of Configure and on its own port.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/seriallink"
)

// commandPort takes one command a stream.
const commandPort = 2000

func main() {
	fmt.Fprintln(os.Stderr, "test guest:", run())
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for dir, fs := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(fs, dir, fs, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	slices.Sort(modules)
	for _, m := range modules {
		if err := load(m); err != nil {
			return fmt.Errorf("load %s: %w", m, err)
		}
	}
	g := &guest{}
	if cid, err := vsock.ContextID(); err == nil && cid > vsock.Host && cid != unix.VMADDR_CID_ANY {
		return g.serveVsock()
	}
	port, err := openAgentPort()
	if err != nil {
		return err
	}
	for {
		link, err := seriallink.Guest(context.Background(), port)
		if err != nil {
			return err
		}
		go g.control(link)
		_ = link.Serve(context.Background(), g.serve)
	}
}

// dialer opens streams to the host, by whichever channel there is.
type dialer interface {
	Dial(ctx context.Context, port uint32) (net.Conn, error)
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func openAgentPort() (*os.File, error) {
	for range 500 {
		ports, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return nil, err
		}
		for _, p := range ports {
			if name, err := os.ReadFile(p); err == nil && strings.TrimSpace(string(name)) == "banger.agent" {
				return seriallink.OpenPort(filepath.Join("/dev", filepath.Base(filepath.Dir(p))))
			}
		}
		<-time.After(2 * time.Millisecond)
	}
	return nil, errors.New("no agent port")
}

type guest struct {
	configured atomic.Bool
	env        atomic.Pointer[[]string]
	reset      atomic.Bool
	clock      atomic.Int64
	flooded    atomic.Bool
}

func (g *guest) is(word string) bool {
	env := g.env.Load()
	return env != nil && slices.Contains(*env, word)
}

func (g *guest) control(link dialer) {
	conn, err := link.Dial(context.Background(), agentrpc.ControlPort)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	enc := json.NewEncoder(conn)
	say := func(m agentrpc.GuestMessage) { _ = enc.Encode(m) }
	say(agentrpc.GuestMessage{Hello: &agentrpc.Hello{
		Protocol: agentrpc.Version, Build: "test", Configured: g.configured.Load(),
	}})
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, agentrpc.MaxLine)
	for lines.Scan() {
		var m agentrpc.HostMessage
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			return
		}
		switch {
		case m.Configure != nil:
			g.configure(*m.Configure, say)
			if serial, ok := link.(*seriallink.Link); ok && g.floodTime() > 0 {
				go func() {
					g.flood(serial, g.floodTime())
					g.flooded.Store(true)
				}()
			}
		case m.Shutdown != nil && !g.is("deaf"):
			say(agentrpc.GuestMessage{GoingDown: &agentrpc.GoingDown{Kind: m.Shutdown.Kind}})
			_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		case m.SetClock != nil:
			g.clock.Store(m.SetClock.UnixNano)
		}
	}
}

func (g *guest) configure(c agentrpc.Configure, say func(agentrpc.GuestMessage)) {
	g.env.Store(&c.Env)
	g.reset.Store(c.Init.Reset)
	say(agentrpc.GuestMessage{Stage: &agentrpc.Stage{Name: "test"}})
	switch {
	case g.is("fail"):
		say(agentrpc.GuestMessage{Failed: &agentrpc.Failed{Stage: "test", Message: "as the test asked"}})
		<-time.After(100 * time.Millisecond)
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	case g.is("reset-early"):
		_, _ = fmt.Fprintln(os.Stderr, "last words")
		<-time.After(100 * time.Millisecond)
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	case g.is("silent"):
		return
	}
	g.configured.Store(true)
	say(agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent", Generation: c.Generation}})
}

func (g *guest) serve(_ context.Context, port uint32) func(net.Conn) {
	if port != commandPort {
		return nil
	}
	return func(conn net.Conn) {
		in := bufio.NewReader(conn)
		word, _ := in.ReadString('\n')
		switch strings.TrimSpace(word) {
		case "echo":
			_, _ = io.Copy(conn, in)
		case "poweroff":
			_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		case "reboot":
			_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
		case "monotonic":
			var ts unix.Timespec
			_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
			_, _ = fmt.Fprintln(conn, ts.Nano())
		case "flooded":
			_, _ = fmt.Fprintln(conn, g.flooded.Load())
		case "reset":
			_, _ = fmt.Fprintln(conn, g.reset.Load())
		case "clock":
			_, _ = fmt.Fprintln(conn, g.clock.Load())
		case "fill":
			_, _ = fmt.Fprintln(conn, fill("/dev/vda"))
		}
	}
}

// fill writes the first disk from its beginning to its end, past the cache.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_SYNC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, 64<<10)
	for i := range buf {
		buf[i] = 'x'
	}
	for {
		if _, err := f.Write(buf); errors.Is(err, unix.ENOSPC) {
			return nil // the disk's end
		} else if err != nil {
			return err
		}
	}
}
