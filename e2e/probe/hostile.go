package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/bangervm/banger/internal/monitor/testguest/flood"
)

// attacks are what a hostile guest's root does to its host until ctx ends. Those
// of impostors come in the agent's place.
func attacks() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"console":   consoles,
		"listeners": listeners,
		"dns":       queries,
		"flows":     flows,
		"output":    output,
	}
}

// envApart marks the process that a command of the agent's started and left.
const envApart = "PROBE_APART"

// hostile does one attack, and leaves how it went in /hostile-ATTACK. An impostor
// ends the agent whose command this is, so that it goes on in a session of its
// own, and this returns at once.
func hostile(ctx context.Context, args []string) (string, error) {
	limit, err := time.ParseDuration(arg(args, 1))
	if err != nil {
		return "", err
	}
	name := arg(args, 0)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if impostors()[name] != nil && os.Getenv(envApart) == "" {
		apart := exec.Command(os.Args[0], os.Args[1:]...) //nolint:noctx // it outlives this process
		apart.Env = append(os.Environ(), envApart+"=yes")
		apart.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return "begun", apart.Start()
	}
	said := "done"
	switch {
	case attacks()[name] != nil:
		err = attacks()[name](ctx)
	case impostors()[name] != nil:
		var links int
		links, err = impersonate(ctx, impostors()[name])
		said = fmt.Sprintf("done, on %d links", links)
	default:
		err = fmt.Errorf("no attack %q", name)
	}
	if err != nil {
		said = err.Error()
	}
	return said, errors.Join(err, os.WriteFile("/hostile-"+name, []byte(said+"\n"), 0o600))
}

// burn takes all CPUs.
func burn(ctx context.Context, args []string) (string, error) {
	limit, err := time.ParseDuration(arg(args, 0))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	together(ctx, runtime.NumCPU(), func(context.Context) {})
	return "burned", nil
}

// together does one thing again and again in n goroutines, until ctx ends.
func together(ctx context.Context, n int, do func(context.Context)) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				do(ctx)
			}
		})
	}
	all.Wait()
}

func consoles(ctx context.Context) error {
	console, err := os.OpenFile("/dev/console", os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = console.Close() }()
	flood.Console(ctx, console)
	return nil
}

// listeners opens and closes 1500 TCP and UDP ports as fast as it can, in turns.
func listeners(ctx context.Context) error {
	const ports, first = 1500, 10_000
	for ctx.Err() == nil {
		var open []io.Closer
		for port := first; port < first+ports && ctx.Err() == nil; port++ {
			at := fmt.Sprintf(":%d", port)
			if port%2 == 0 {
				at = fmt.Sprintf("127.0.0.1:%d", port)
			}
			if l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at); err == nil {
				open = append(open, l)
			}
			if l, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", at); err == nil {
				open = append(open, l)
			}
		}
		for _, l := range open {
			_ = l.Close()
		}
	}
	return nil
}

// queries asks the name server for names that there are not, and what is no query.
func queries(ctx context.Context) error {
	const server = "198.18.0.1:53"
	var turn sync.Mutex
	count := 0
	together(ctx, 8, func(ctx context.Context) {
		turn.Lock()
		count++
		n := count
		turn.Unlock()
		m := new(dns.Msg)
		m.SetQuestion(fmt.Sprintf("%s%d.allowed.test.", strings.Repeat("x", n%40), n), []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeANY}[n%4])
		wire, err := m.Pack()
		if err != nil || n%5 == 0 {
			wire = make([]byte, 1+n%1400)
			_, _ = rand.Read(wire)
		}
		network := "udp"
		if n%7 == 0 {
			network, wire = "tcp", append([]byte{byte(len(wire) >> 8), byte(len(wire))}, wire...)
		}
		say(ctx, network, server, wire)
	})
	return nil
}

// flows connects to addresses at which there is something, and at which there is
// nothing, by TCP and UDP, with names that are none.
func flows(ctx context.Context) error {
	var turn sync.Mutex
	count := 0
	together(ctx, 32, func(ctx context.Context) {
		turn.Lock()
		count++
		n := count
		turn.Unlock()
		junk := make([]byte, 1200)
		_, _ = rand.Read(junk)
		copy(junk, []string{"\x16\x03\x01\xff\xff\x01", "GET http://", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", ""}[n%4])
		port := []int{80, 443, 7, 1 + n%65535}[n%4]
		say(ctx, []string{"tcp", "udp"}[n%2], fmt.Sprintf("203.0.113.%d:%d", 1+n/2%254, port), junk)
	})
	return nil
}

// say sends something, and waits a moment for an answer.
func say(ctx context.Context, network, addr string, p []byte) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(p); err == nil && network == "tcp" {
		_, _ = conn.Read(make([]byte, 512))
	}
}

// output writes as much as is taken of it.
func output(ctx context.Context) error {
	p := []byte(strings.Repeat("\x1b]0;flood\x07\r\x00", 6000))
	for ctx.Err() == nil {
		if _, err := os.Stdout.Write(p); err != nil {
			return err
		}
	}
	return nil
}
