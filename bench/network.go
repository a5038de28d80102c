package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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

// network compares banger's virtual network with QEMU's own user network, each
// in a VM of its own. Then a long policy with none, and what a monitor
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
	if _, err := b.banger(ctx, "vm", "delete", "--force", ourVM, theirVM); err != nil {
		return err
	}
	b.qemu = ""
	_, err = b.banger(ctx, "daemon", "stop")
	return err
}

// throughput prints times of as many bytes: 1.3 times the throughput is 0.77
// times the time.
func (n *netBench) throughput(ctx context.Context) error {
	const limit = 1 / 1.3
	transfer := func(verb string, from side) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return n.guest(ctx, from, time.Millisecond, verb, strconv.Itoa(netBytes))
		}
	}
	push := func(addr string) func() (time.Duration, error) {
		return func() (time.Duration, error) { return pushTo(ctx, addr) }
	}
	for _, m := range []struct {
		name            string
		ours, yardstick func() (time.Duration, error)
	}{
		{"guest to host, 128 MiB", transfer("send", ourSide()), transfer("send", theirSide())},
		{"host to guest, 128 MiB", transfer("receive", ourSide()), transfer("receive", theirSide())},
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
	connect := func(from side) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return n.guest(ctx, from, time.Microsecond, "connects", strconv.Itoa(netConnects))
		}
	}
	pairs, err := interleaved(max(5, n.pairs), connect(ourSide()), connect(theirSide()))
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
			if _, err := n.banger(ctx, "vm", "egress", "set", ourVM, policy); err != nil {
				return 0, err
			}
			return n.guest(ctx, ourSide(), time.Millisecond, "send", strconv.Itoa(netBytes))
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
	monitor, err := n.runtimePID(ctx, ourVM, "monitor_pid")
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
	cmd := n.command(ctx, filepath.Join(n.repo, "bin", "banger"), "vm", "exec", ourVM, "--", "probe", "hold", n.at(ourSide()), strconv.Itoa(netFlows))
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
