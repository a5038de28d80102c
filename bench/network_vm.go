package main

import (
	"bufio"
	"context"
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

// The VMs: one with banger's network, and one with QEMU's alone, put there by a
// wrapper around QEMU. Side by side in one VM they would slow each other.
const (
	ourVM   = "net"
	theirVM = "user"
)

// side is one of the networks: its VM, and the host as seen from there.
type side struct{ vm, host string }

func ourSide() side   { return side{ourVM, "198.18.0.2"} }
func theirSide() side { return side{theirVM, "10.0.2.2"} }

// netBench is both VMs, and the host's servers.
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

// wrapQEMU makes the QEMU that gives one VM a user network.
func (n *netBench) wrapQEMU(ctx context.Context) error {
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
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in '-name "+theirVM+" '*) set -- \"$@\" -netdev user,id=bench,hostfwd=tcp:127.0.0.1:%d-:%d -device virtio-net-device,netdev=bench,mac=52:55:00:00:00:01;; esac\nexec %s \"$@\"\n",
		n.hostfwd, sinkPort, qemu)
	return os.WriteFile(n.qemu, []byte(script), 0o755)
}

// buildProbe builds the program of clients and servers that both VMs run.
func (n *netBench) buildProbe(ctx context.Context) (string, error) {
	probe := filepath.Join(n.dir, "probe")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", probe, "./e2e/probe")
	build.Dir, build.Env = n.repo, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the probe: %w: %s", err, out)
	}
	return probe, nil
}

func (n *netBench) start(ctx context.Context) (err error) {
	if err := n.wrapQEMU(ctx); err != nil {
		return err
	}
	if n.server, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	go serveLoad(n.server)
	probe, err := n.buildProbe(ctx)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"vm", "create", "--name", ourVM, "--image", "busybox", "--egress", "default allow; allow host"},
		{"vm", "create", "--name", theirVM, "--image", "busybox", "--network", "none"},
		{"vm", "cp", probe, ourVM + ":/bin/probe"},
		{"vm", "cp", probe, theirVM + ":/bin/probe"},
		{"vm", "exec", theirVM, "--", "sh", "-ec", "modprobe virtio_net || true; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0"},
		{"vm", "session", "start", ourVM, "--name", "sink", "--", "probe", "sink", ":" + strconv.Itoa(sinkPort)},
		{"vm", "session", "start", theirVM, "--name", "sink", "--", "probe", "sink", ":" + strconv.Itoa(sinkPort)},
	} {
		if _, err := n.banger(ctx, args...); err != nil {
			return err
		}
	}
	show, err := n.banger(ctx, "vm", "show", ourVM, "-o", "json")
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
func (n *netBench) guest(ctx context.Context, from side, unit time.Duration, verb, count string) (time.Duration, error) {
	out, err := n.banger(ctx, "vm", "exec", from.vm, "--", "probe", verb, n.at(from), count)
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	return time.Duration(number) * unit, err
}

// at is the host's server, as the guest sees it by one of the networks.
func (n *netBench) at(from side) string {
	return net.JoinHostPort(from.host, strconv.Itoa(n.server.Addr().(*net.TCPAddr).Port))
}
