package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// barePort is a virtio port of a guest beside the agent's, and the host's end of it.
type barePort struct {
	bench *bench
	conn  net.Conn
	r     *bufio.Reader
}

// portWrapper stands for QEMU. A confined QEMU can make no sockets, but its agent
// port's socket is inherited and listens: of two that connect there, the one that
// says B becomes the bare port, and the monitor's the agent's.
const portWrapper = `#!/usr/bin/perl
use Socket;
my @args = @ARGV;
exec "%[1]s", @args unless grep { /^socket,id=agent,fd=4,/ } @args;
open(my $listening, "+<&=", 4) or die "fd 4: $!";
my %%fd;
while (!$fd{agent} || !$fd{bare}) {
  accept(my $conn, $listening) or die "accept: $!";
  my $first;
  recv($conn, $first, 1, MSG_PEEK);
  my $who = $first eq "B" ? "bare" : "agent";
  recv($conn, $first, 1, 0) if $who eq "bare";
  fcntl($conn, 2, 0);
  $fd{$who} = $conn;
}
s/^socket,id=agent,fd=4,server=on,wait=off$/"socket,id=agent,fd=" . fileno($fd{agent})/e for @args;
exec "%[1]s", @args, "-chardev", "socket,id=bare,fd=" . fileno($fd{bare}), "-device", "virtserialport,chardev=bare,name=bench.bare";
`

// startWithPort starts the VM with a bare port. The caller closes its connection.
func (b *bench) startWithPort(ctx context.Context) (*barePort, error) {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return nil, err
	}
	b.qemu = filepath.Join(b.dir, "qemu-with-port")
	if err := os.WriteFile(b.qemu, fmt.Appendf(nil, portWrapper, qemu), 0o755); err != nil {
		return nil, err
	}
	dialing, stop := context.WithCancel(ctx)
	defer stop()
	conns := make(chan net.Conn, 1)
	go func() { conns <- b.dialPort(dialing) }()
	_, err = b.banger(ctx, "vm", "create", "--name", bulkVM, "--image", "busybox", "--memory", "2GiB")
	stop()
	conn := <-conns
	switch {
	case err != nil && conn != nil:
		return nil, errors.Join(err, conn.Close())
	case err != nil:
		return nil, err
	case conn == nil:
		return nil, errors.New("the bare port did not appear")
	}
	return &barePort{bench: b, conn: conn, r: bufio.NewReaderSize(conn, 256<<10)}, nil
}

func (b *bench) dialPort(ctx context.Context) net.Conn {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		sockets, _ := filepath.Glob(filepath.Join(b.dir, "home/.local/state/banger/vms/*/run/agent.sock"))
		for _, socket := range sockets {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
			if err != nil {
				continue
			}
			if _, err := conn.Write([]byte("B")); err == nil {
				return conn
			}
			_ = conn.Close()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// opened makes fd 5 the port, once the host has seen an R and answered: QEMU drops
// what a guest sends before it knows that the port is open.
const opened = `for p in /sys/class/virtio-ports/*; do grep -q bench.bare $p/name && exec 5<>/dev/${p##*/}; done
until read -t 1 -n 1 x <&5; do printf R >&5; done
`

// guest runs a script on the port, and returns when host has done its part, which
// begins with the moment that the guest is ready.
func (p *barePort) guest(ctx context.Context, script string, host func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = p.conn.SetDeadline(time.Unix(1, 0)) })()
	guest := make(chan error, 1)
	go func() {
		_, err := p.bench.banger(ctx, "vm", "exec", bulkVM, "--", "sh", "-c", opened+script)
		guest <- err
	}()
	if err := p.expect('R'); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := p.conn.Write([]byte("G")); err != nil {
		return 0, err
	}
	if err := host(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if _, err := p.conn.Write([]byte("E")); err != nil {
		return 0, err
	}
	return took, <-guest
}

// expect reads one byte of the guest's, which must be c.
func (p *barePort) expect(c byte) error {
	if got, err := p.r.ReadByte(); err != nil || got != c {
		return fmt.Errorf("the guest says %q: %w", got, err)
	}
	return nil
}

// in sends the output of a program of the host to a script that reads fd 5.
func (p *barePort) in(ctx context.Context, script, program string, args ...string) (time.Duration, error) {
	return p.guest(ctx, script+"\nprintf D >&5\nread -n 1 x <&5", func() error {
		cmd := p.bench.command(ctx, program, args...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{p.conn}, out, make([]byte, 256<<10))
		if err = errors.Join(err, cmd.Wait()); err != nil {
			return err
		}
		for {
			if got, err := p.r.ReadByte(); err != nil || got == 'D' {
				return err
			}
		}
	})
}

// out gives take what a script writes to fd 5.
func (p *barePort) out(ctx context.Context, script string, take func(r io.Reader) error) (time.Duration, error) {
	return p.guest(ctx, script+"\nread -n 1 x <&5", func() error {
		for { // an R may have come twice
			if next, err := p.r.Peek(1); err != nil || next[0] != 'R' {
				break
			}
			_, _ = p.r.ReadByte()
		}
		return take(p.r)
	})
}

func discard(n int64) func(io.Reader) error {
	return func(r io.Reader) error {
		_, err := io.CopyN(io.Discard, r, n)
		return err
	}
}

// untar unpacks an archive up to its end, and not what follows it.
func untar(dir string) func(io.Reader) error {
	return func(r io.Reader) error {
		in := tar.NewReader(r)
		for {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			path := filepath.Join(dir, filepath.Base(h.Name))
			if h.Typeflag != tar.TypeReg {
				continue
			}
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			_, err = io.Copy(f, in)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
	}
}
