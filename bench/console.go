package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/e2e/web"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

const (
	consoleRounds = 31
	// pixelLimit is what a change of state may take to an open page, from its commit.
	pixelLimit = 100 * time.Millisecond
	// changeTime bounds the wait for one change.
	changeTime = 30 * time.Second
)

// seen notes on a page when the row of a VM first says each state, in milliseconds since 1970.
// A callback after the frame in which that was drawn takes the time.
const seen = `window.seen = {}; new MutationObserver(() => {
	const row = document.querySelector("#vm-rows tr"), state = row && (/running|paused/.exec(row.textContent) || [])[0];
	if (!state || window.latest === state) return;
	window.latest = state;
	requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => { window.seen[state] = performance.timeOrigin + performance.now(); }; c.port2.postMessage(0); });
}).observe(document.querySelector("#vm-rows"), {childList: true, subtree: true, characterData: true})`

// console compares how long a VM's change of state takes from its commit to the pixels of an
// open dashboard, with how long it takes to a client that only reads the stream of events.
func (b *bench) console(ctx context.Context) error {
	if _, err := exec.LookPath(web.Program); err != nil {
		_, err = fmt.Fprintf(b.out, "%-22s not measured: %v\n", "event to pixel", err)
		return err
	}
	if _, err := b.banger(ctx, "vm", "create", "--name", "watched", "--image", "busybox"); err != nil {
		return err
	}
	link, err := b.banger(ctx, "web", "--print")
	if err != nil {
		return err
	}
	browser, err := web.Open(ctx, filepath.Join(b.dir, "browser"))
	if err != nil {
		return err
	}
	defer browser.Close()
	if err := browser.Go(ctx, strings.TrimSpace(link)); err != nil {
		return err
	}
	if err := browser.Is(ctx, `document.querySelector("#vm-rows tr") !== null && document.querySelector("#live").textContent.includes("Live")`); err != nil {
		return err
	}
	if err := browser.Run(ctx, seen); err != nil {
		return err
	}
	pairs, err := b.changes(ctx, browser)
	if err != nil {
		return err
	}
	ours := median(pairs, func(p pair) time.Duration { return p.ours })
	stream := median(pairs, func(p pair) time.Duration { return p.yardstick })
	if err := b.report("event to pixel", "event to a client of the stream", float64(pixelLimit)/float64(max(stream, time.Microsecond)), pairs); err != nil {
		return err
	}
	mark := "within"
	if ours > pixelLimit {
		mark = "OVER"
	}
	if _, err := fmt.Fprintf(b.out, "%-22s %9.1f ms   %s %d ms\n", "event to pixel", ms(ours), mark, pixelLimit.Milliseconds()); err != nil {
		return err
	}
	_, err = b.banger(ctx, "vm", "delete", "--force", "watched")
	return err
}

// changes pauses and resumes the VM. Of each change it returns when the page and when a client of
// the stream had it, since its commit.
func (b *bench) changes(ctx context.Context, browser *web.Browser) ([]pair, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan change, 64) // none waits for another to be looked at
	failed := make(chan error, 1)
	go func() { failed <- b.follow(ctx, came) }()
	var pairs []pair
	for n := range consoleRounds {
		verb, state := "pause", api.VMPaused
		if n%2 == 1 {
			verb, state = "resume", api.VMRunning
		}
		if err := browser.Run(ctx, "delete window.seen."+state); err != nil {
			return nil, err
		}
		if _, err := b.banger(ctx, "vm", verb, "watched"); err != nil {
			return nil, err
		}
		step, done := context.WithTimeout(ctx, changeTime)
		p, err := await(step, browser, state, came, failed)
		done()
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// change is an event of a VM's new state: when it was committed, and when it came.
type change struct {
	state              string
	committed, arrived time.Time
}

// follow passes on the changes of the VM's state until ctx ends.
func (b *bench) follow(ctx context.Context, came chan<- change) error {
	c := client.New(filepath.Join(b.dir, "run", "banger", "bangerd.sock"))
	defer c.Close()
	for event, err := range c.Events(ctx, client.EventOptions{Kinds: []string{api.EventVM}}) {
		if err != nil {
			return err
		}
		if event.Action != "changed" {
			continue
		}
		state, err := stringField(string(event.Body), "state")
		if err != nil {
			return err
		}
		select {
		case came <- change{state: state, committed: event.Time, arrived: time.Now()}:
		case <-ctx.Done():
			return nil
		}
	}
	return errors.New("the stream of events ended")
}

// await is one change, once both have it.
func await(ctx context.Context, browser *web.Browser, state string, came <-chan change, failed <-chan error) (pair, error) {
	for {
		select {
		case c := <-came:
			if c.state != state {
				continue
			}
			if err := browser.Is(ctx, "window.seen."+state+" !== undefined"); err != nil {
				return pair{}, err
			}
			text, err := browser.Value(ctx, "window.seen."+state)
			if err != nil {
				return pair{}, err
			}
			at, err := strconv.ParseFloat(text, 64)
			drawn := time.UnixMicro(int64(at * 1000))
			return pair{ours: drawn.Sub(c.committed), yardstick: c.arrived.Sub(c.committed)}, err
		case err := <-failed:
			return pair{}, err
		case <-ctx.Done():
			return pair{}, ctx.Err()
		}
	}
}
