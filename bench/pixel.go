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
	pixelRounds = 31
	// pixelLimit is what a change of state may take to an open page and to the terminal UI,
	// from its commit.
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

// pixel compares how long a VM's change of state takes from its commit to the pixels of an
// open dashboard, and to the screen of the terminal UI, with how long it takes to a client that
// only reads the stream of events. All three watch the same changes.
func (b *bench) pixel(ctx context.Context) error {
	if _, err := b.banger(ctx, "vm", "create", "--name", "watched", "--image", "busybox"); err != nil {
		return err
	}
	w := &watchers{}
	defer w.close()
	if err := w.open(ctx, b); err != nil {
		return err
	}
	all, err := b.changes(ctx, w)
	if err != nil {
		return err
	}
	for _, to := range []struct {
		name string
		seen func(sight) time.Duration
		is   bool
	}{
		{"event to an open page", func(s sight) time.Duration { return s.page }, w.browser != nil},
		{"event to the tui", func(s sight) time.Duration { return s.tui }, true},
	} {
		if !to.is {
			if _, err := fmt.Fprintf(b.out, "%-22s not measured: %s is not installed\n", to.name, web.Program); err != nil {
				return err
			}
			continue
		}
		pairs := make([]pair, len(all))
		for i, s := range all {
			pairs[i] = pair{ours: to.seen(s), yardstick: s.stream}
		}
		if err := b.report(to.name, "event to a client of the stream", limitOf(pixelLimit, pairs), pairs); err != nil {
			return err
		}
	}
	_, err = b.banger(ctx, "vm", "delete", "--force", "watched")
	return err
}

// watchers are an open dashboard and the terminal UI.
type watchers struct {
	browser *web.Browser // nil: there is none
	tui     *terminal
}

func (w *watchers) close() {
	if w.browser != nil {
		w.browser.Close()
	}
	if w.tui != nil {
		_ = w.tui.close() // what it showed was measured
	}
}

func (w *watchers) open(ctx context.Context, b *bench) error {
	var err error
	if w.tui, err = b.openTUI(ctx); err != nil {
		return err
	}
	if _, err := w.tui.see("watched"); err != nil {
		return err
	}
	if _, err := exec.LookPath(web.Program); err != nil {
		return nil //nolint:nilerr // the report says so
	}
	link, err := b.banger(ctx, "web", "--print")
	if err != nil {
		return err
	}
	if w.browser, err = web.Open(ctx, filepath.Join(b.dir, "browser")); err != nil {
		return err
	}
	if err := w.browser.Go(ctx, strings.TrimSpace(link)); err != nil {
		return err
	}
	if err := w.browser.Is(ctx, `document.querySelector("#vm-rows tr") !== null && document.querySelector("#live").textContent.includes("Live")`); err != nil {
		return err
	}
	return w.browser.Run(ctx, seen)
}

// sight is when each had one change, since its commit.
type sight struct{ page, tui, stream time.Duration }

// changes pauses and resumes the VM.
func (b *bench) changes(ctx context.Context, w *watchers) ([]sight, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan change, 64) // none waits for another to be looked at
	failed := make(chan error, 1)
	go func() { failed <- b.follow(ctx, came) }()
	var all []sight
	for n := range pixelRounds {
		verb, state := "pause", api.VMPaused
		if n%2 == 1 {
			verb, state = "resume", api.VMRunning
		}
		if err := w.forget(ctx, state); err != nil {
			return nil, err
		}
		if _, err := b.banger(ctx, "vm", verb, "watched"); err != nil {
			return nil, err
		}
		step, done := context.WithTimeout(ctx, changeTime)
		s, err := w.await(step, state, came, failed)
		done()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
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

// forget is before a change to state.
func (w *watchers) forget(ctx context.Context, state string) error {
	w.tui.forget()
	if w.browser == nil {
		return nil
	}
	return w.browser.Run(ctx, "delete window.seen."+state)
}

// await is one change, once all have it.
func (w *watchers) await(ctx context.Context, state string, came <-chan change, failed <-chan error) (sight, error) {
	for {
		select {
		case c := <-came:
			if c.state != state {
				continue
			}
			drawn, err := w.tui.see(state)
			if err != nil {
				return sight{}, err
			}
			s := sight{tui: drawn.Sub(c.committed), stream: c.arrived.Sub(c.committed)}
			if w.browser == nil {
				return s, nil
			}
			painted, err := w.painted(ctx, state)
			s.page = painted.Sub(c.committed)
			return s, err
		case err := <-failed:
			return sight{}, err
		case <-ctx.Done():
			return sight{}, ctx.Err()
		}
	}
}

// painted is when the page showed a state.
func (w *watchers) painted(ctx context.Context, state string) (time.Time, error) {
	if err := w.browser.Is(ctx, "window.seen."+state+" !== undefined"); err != nil {
		return time.Time{}, err
	}
	text, err := w.browser.Value(ctx, "window.seen."+state)
	if err != nil {
		return time.Time{}, err
	}
	at, err := strconv.ParseFloat(text, 64)
	return time.UnixMicro(int64(at * 1000)), err
}
