package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/monitor/testguest/flood"
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

// flood does to the host what a hostile guest can, all at once, for that long.
func (g *guest) flood(link *seriallink.Link, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var work sync.WaitGroup
	work.Go(func() { flood.Streams(ctx, link) })
	work.Go(func() { flood.Console(ctx, os.Stderr) })
	work.Wait()
}
