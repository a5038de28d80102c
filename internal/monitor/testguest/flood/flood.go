// Package flood is what a hostile agent says on its link to the host. It runs in
// guests of tests.
package flood

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/seriallink"
	"github.com/bangervm/banger/internal/stream"
)

// Streams says each message again and again on control streams that come and go,
// and opens streams to ports at which nobody listens, until ctx or the link ends.
func Streams(ctx context.Context, link *seriallink.Link) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-link.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	var work sync.WaitGroup
	for _, pair := range messages() {
		work.Go(func() {
			for ctx.Err() == nil {
				shout(ctx, link, pair)
			}
		})
	}
	work.Go(func() {
		for port := uint32(3000); ctx.Err() == nil; port++ {
			if conn, err := link.Dial(ctx, port); err == nil {
				_ = conn.Close()
			}
		}
	})
	work.Wait()
}

// Console writes lines with a terminal's commands in them until ctx ends.
func Console(ctx context.Context, to io.Writer) {
	line := []byte(strings.Repeat("\x1b[31mflood\x07", 100) + "\n")
	for ctx.Err() == nil {
		_, _ = to.Write(line)
	}
}

func messages() [][2]agentrpc.GuestMessage {
	long := strings.Repeat("x", 100_000)
	hello := func(configured bool, protocol int, build string) agentrpc.GuestMessage {
		return agentrpc.GuestMessage{Hello: &agentrpc.Hello{Protocol: protocol, Build: build, Configured: configured}}
	}
	return [][2]agentrpc.GuestMessage{
		{hello(true, agentrpc.Version, "x"), {GoingDown: &agentrpc.GoingDown{}}}, // many: they are short
		{hello(false, agentrpc.Version, long), hello(true, 999, long)},
		{{Stage: &agentrpc.Stage{Name: long}}, {Ready: &agentrpc.Ready{Init: long}}},
		{{Failed: &agentrpc.Failed{Message: long}}, {Listening: &agentrpc.Listening{Sockets: []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80}}}}},
	}
}

// shout says the pair on one stream until that ends.
func shout(ctx context.Context, link *seriallink.Link, pair [2]agentrpc.GuestMessage) {
	conn, err := link.Dial(ctx, agentrpc.ControlPort)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	defer stop()
	go func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }(conn)
	for i, enc := 0, json.NewEncoder(conn); enc.Encode(pair[i%2]) == nil; i++ {
	}
}
