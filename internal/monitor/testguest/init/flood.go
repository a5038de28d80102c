package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/seriallink"
)

// floodTime is what a test asks for by the word flood=DURATION; 0: nothing.
func (g *guest) floodTime() time.Duration {
	if env := g.env.Load(); env != nil {
		for _, word := range *env {
			if text, ok := strings.CutPrefix(word, "flood="); ok {
				d, _ := time.ParseDuration(text)
				return d
			}
		}
	}
	return 0
}

// flood does to the host what a hostile guest can, all at once, for that long:
// each message again and again, on streams that come and go, and the console.
func (g *guest) flood(link *seriallink.Link, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var work sync.WaitGroup
	for _, pair := range floods() {
		work.Go(func() {
			for ctx.Err() == nil {
				shout(ctx, link, pair)
			}
		})
	}
	work.Go(func() { // ports at which nobody listens on the host
		for port := uint32(3000); ctx.Err() == nil; port++ {
			if conn, err := link.Dial(ctx, port); err == nil {
				_ = conn.Close()
			}
		}
	})
	work.Go(func() {
		line := []byte(strings.Repeat("\x1b[31mflood\x07", 100) + "\n")
		for ctx.Err() == nil {
			_, _ = os.Stderr.Write(line)
		}
	})
	work.Wait()
}

func floods() [][2]agentrpc.GuestMessage {
	long := strings.Repeat("x", 100_000)
	hello := func(configured bool, protocol int) agentrpc.GuestMessage {
		return agentrpc.GuestMessage{Hello: &agentrpc.Hello{Protocol: protocol, Build: long, BootID: long, Configured: configured}}
	}
	return [][2]agentrpc.GuestMessage{
		{hello(true, agentrpc.Version), {GoingDown: &agentrpc.GoingDown{}}},
		{hello(false, agentrpc.Version), hello(true, 999)},
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
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	go func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }(conn)
	for i, enc := 0, json.NewEncoder(conn); enc.Encode(pair[i%2]) == nil; i++ {
	}
}
