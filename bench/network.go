package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	netBytes    = 128 << 20
	netConnects = 200
	netFlows    = 500
	sinkPort    = 5001 // in the guest
)

// network compares banger's virtual network with QEMU's own user network, both
// in one VM: a second NIC on `-netdev user` stands beside banger's, put there
// by a wrapper around QEMU. Then a long policy with none, and what a monitor
// takes idle and with many flows.
func (b *bench) network(ctx context.Context) (err error) {
	if _, err := b.banger(ctx, "daemon", "stop"); err != nil {
		return err
	}
	n := &netBench{bench: b}
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.start(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context) error{n.throughput, n.latency, n.policy, n.flows} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	if _, err := b.banger(ctx, "vm", "delete", "--force", "net"); err != nil {
		return err
	}
	b.qemu = ""
	_, err = b.banger(ctx, "daemon", "stop")
	return err
}

// netBench is the VM with both networks, and the host's servers.
type netBench struct {
	*bench
	server  net.Listener // on the host's loopback
	hostfwd int          // QEMU's user network leads from here to the guest's sink
	loop    string       // banger's loopback address of the VM
}

func (n *netBench) close() error {
	if n.server == nil {
		return nil
	}
	return n.server.Close()
}

func (n *netBench) start(ctx context.Context) error {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return err
	}
	free, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n.hostfwd = free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		return err
	}
	n.qemu = filepath.Join(n.dir, "qemu-with-user-network")
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *-kernel*) set -- \"$@\" -netdev user,id=bench,hostfwd=tcp:127.0.0.1:%d-:%d -device virtio-net-device,netdev=bench,mac=52:55:00:00:00:01;; esac\nexec %s \"$@\"\n",
		n.hostfwd, sinkPort, qemu)
	if err := os.WriteFile(n.qemu, []byte(script), 0o755); err != nil {
		return err
	}
	if n.server, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	go serveLoad(n.server)
	probe := filepath.Join(n.dir, "probe")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", probe, "./e2e/probe")
	build.Dir, build.Env = n.repo, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the probe: %w: %s", err, out)
	}
	for _, args := range [][]string{
		{"vm", "create", "--name", "net", "--image", "busybox", "--egress", "default allow; allow host"},
		{"vm", "cp", probe, "net:/bin/probe"},
		{"vm", "exec", "net", "--", "sh", "-ec", "nic=$(grep -l 52:55:00:00:00:01 /sys/class/net/*/address | cut -d/ -f5); ip link set $nic up; ip addr add 10.0.2.15/24 dev $nic"},
		{"vm", "session", "start", "net", "--name", "sink", "--", "probe", "sink", ":" + strconv.Itoa(sinkPort)},
	} {
		if _, err := n.banger(ctx, args...); err != nil {
			return err
		}
	}
	show, err := n.banger(ctx, "vm", "show", "net", "-o", "json")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(show, `"address": "`)
	n.loop, _, _ = strings.Cut(rest, `"`)
	return n.awaitPort(ctx)
}

// awaitPort waits until the guest's port is on the host.
func (n *netBench) awaitPort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.ourPort())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the guest's port did not appear at %s: %w", n.ourPort(), err)
		}
	}
}

func (n *netBench) ourPort() string { return net.JoinHostPort(n.loop, strconv.Itoa(sinkPort)) }

// serveLoad sends as many bytes as a first line asks for; what begins with
// anything else it reads to the end.
func serveLoad(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			in := bufio.NewReaderSize(conn, 256<<10)
			first, err := in.Peek(1)
			if err != nil || first[0] < '0' || first[0] > '9' {
				_, _ = io.Copy(io.Discard, in)
				return
			}
			line, err := in.ReadString('\n')
			size, parseErr := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
			if err != nil || parseErr != nil {
				return
			}
			data := make([]byte, 256<<10)
			for ; size > 0; size -= int64(len(data)) {
				if _, err := conn.Write(data[:min(size, int64(len(data)))]); err != nil {
					return
				}
			}
		}()
	}
}

// guest runs the probe in the guest and returns the number that it prints.
func (n *netBench) guest(ctx context.Context, unit time.Duration, args ...string) (time.Duration, error) {
	out, err := n.banger(ctx, append([]string{"vm", "exec", "net", "--", "probe"}, args...)...)
	if err != nil {
		return 0, err
	}
	count, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	return time.Duration(count) * unit, err
}

// at is the host's server, as the guest sees it by one of the networks.
func (n *netBench) at(host string) string {
	return net.JoinHostPort(host, strconv.Itoa(n.server.Addr().(*net.TCPAddr).Port))
}

const (
	ourHost   = "198.18.0.2"
	theirHost = "10.0.2.2"
)

// throughput prints times of as many bytes: 1.3 times the throughput is 0.77
// times the time.
func (n *netBench) throughput(ctx context.Context) error {
	const limit = 1 / 1.3
	transfer := func(verb, host string) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return n.guest(ctx, time.Millisecond, verb, n.at(host), strconv.Itoa(netBytes))
		}
	}
	push := func(addr string) func() (time.Duration, error) {
		return func() (time.Duration, error) { return pushTo(ctx, addr) }
	}
	for _, m := range []struct {
		name            string
		ours, yardstick func() (time.Duration, error)
	}{
		{"guest to host, 128 MiB", transfer("send", ourHost), transfer("send", theirHost)},
		{"host to guest, 128 MiB", transfer("receive", ourHost), transfer("receive", theirHost)},
		{"into a guest's port", push(n.ourPort()), push(net.JoinHostPort("127.0.0.1", strconv.Itoa(n.hostfwd)))},
	} {
		pairs, err := interleaved(max(5, n.pairs), m.ours, m.yardstick)
		if err != nil {
			return err
		}
		if err := n.report(m.name, "QEMU's own user network", limit, pairs); err != nil {
			return err
		}
	}
	return nil
}

// pushTo sends to a port of the host that leads into the guest, and waits
// until the guest has it all.
func pushTo(ctx context.Context, addr string) (time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	data := make([]byte, 256<<10)
	begun := time.Now()
	for sent := 0; sent < netBytes; sent += len(data) {
		if _, err := conn.Write(data); err != nil {
			return 0, err
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, conn)
	return time.Since(begun), err
}

func (n *netBench) latency(ctx context.Context) error {
	connect := func(host string) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return n.guest(ctx, time.Microsecond, "connects", n.at(host), strconv.Itoa(netConnects))
		}
	}
	pairs, err := interleaved(max(5, n.pairs), connect(ourHost), connect(theirHost))
	if err != nil {
		return err
	}
	return n.report("connect, median of 200", "QEMU's own user network", 1.5, pairs)
}

// policy compares a policy of many rules with one that allows everything.
func (n *netBench) policy(ctx context.Context) error {
	var long strings.Builder
	long.WriteString("default deny\n")
	for i := range 200 {
		_, _ = fmt.Fprintf(&long, "allow host-%d.example.org\ndeny 203.0.113.%d tcp/443\n", i, i)
	}
	long.WriteString("allow host\n")
	file := filepath.Join(n.dir, "policy")
	if err := os.WriteFile(file, []byte(long.String()), 0o644); err != nil {
		return err
	}
	under := func(policy string) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			if _, err := n.banger(ctx, "vm", "egress", "set", "net", policy); err != nil {
				return 0, err
			}
			return n.guest(ctx, time.Millisecond, "send", n.at(ourHost), strconv.Itoa(netBytes))
		}
	}
	pairs, err := interleaved(max(5, n.pairs), under("@"+file), under("default allow; allow host"))
	if err != nil {
		return err
	}
	return n.report("a policy of 401 rules", "none", 1/0.9, pairs)
}

// flows prints a monitor's memory, idle and with many flows.
func (n *netBench) flows(ctx context.Context) error {
	monitor, err := n.runtimePID(ctx, "net", "monitor_pid")
	if err != nil {
		return err
	}
	show := func(name string) error {
		rss, private, err := resident(monitor)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(n.out, "%-22s %9.1f MiB resident, %.1f MiB of it private\n", name, mib(rss), mib(private))
		return err
	}
	if err := show("monitor, no flows"); err != nil {
		return err
	}
	cmd := n.command(ctx, filepath.Join(n.repo, "bin", "banger"), "vm", "exec", "net", "--", "probe", "hold", n.at(ourHost), strconv.Itoa(netFlows))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("hold %d flows: %w", netFlows, err)
	}
	return show(fmt.Sprintf("monitor, %d flows", netFlows))
}
