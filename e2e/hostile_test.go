//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/internal/client"
)

// envHostile is how long a hostile guest has for all that it does.
const envHostile = "BANGER_TEST_HOSTILE"

func hostileTime() time.Duration {
	d, err := time.ParseDuration(cmp.Or(os.Getenv(envHostile), "45s"))
	if err != nil {
		panic(err)
	}
	return d
}

// hostileAttacks are the probe's. Those of impostors end the agent: it is back
// when they are over.
func hostileAttacks() []hostileAttack {
	return []hostileAttack{
		{name: "console"},
		{name: "listeners"},
		{name: "dns"},
		{name: "flows"},
		{name: "output", meanwhile: (*hostility).takesOutput},
		{name: "messages", impostor: true},
		{name: "frames", impostor: true},
		{name: "junk", impostor: true},
		{name: "answers", impostor: true, meanwhile: (*hostility).asks},
	}
}

type hostileAttack struct {
	name      string
	impostor  bool
	meanwhile func(h *hostility, ctx context.Context) // what the user does
}

// hostility is one guest's, beside a neighbour that works.
type hostility struct {
	ts              *testscript.TestScript
	banger          string
	env             []string
	vm, neighbour   string
	share           time.Duration   // of each attack; half as long for what it is compared with
	calm            []time.Duration // beside the VM while it is only busy
	monitor, daemon *watchedProcess
}

// cmdHostile lets the VM do its worst, and measures what its monitor and the
// daemon take, and how quickly the neighbour's commands end: compared with when
// the VM takes as much CPU as it can and does nothing else, in turns with the
// attacks, so that other work of this machine falls on both.
func cmdHostile(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 3, "hostile VM NEIGHBOUR MONITOR_PID")
	program, err := lookPath(ts, "banger")
	ts.Check(err)
	c := client.New(filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "banger", "bangerd.sock"))
	defer c.Close()
	ping, err := c.Ping(context.Background())
	ts.Check(err)
	attacks := hostileAttacks()
	h := &hostility{
		ts: ts, banger: program, env: scriptEnv(ts), vm: args[0], neighbour: args[1],
		share:   hostileTime() * 2 / 3 / time.Duration(len(attacks)),
		monitor: &watchedProcess{name: "monitor", pid: pidOf(ts, args[2]), bound: spent{320 << 20, 6000, 64}},
		daemon:  &watchedProcess{name: "daemon", pid: ping.PID, bound: spent{128 << 20, 256, 64}},
	}
	for _, a := range attacks {
		h.suffer(a)
	}
	for _, p := range []*watchedProcess{h.monitor, h.daemon} {
		if !running(p.pid) {
			ts.Fatalf("the %s has ended", p.name)
		}
		ts.Logf(figure+"%s", p)
		ts.Check(p.within())
	}
}

// hostileTries is how often an attack is measured while the neighbour is slow
// beside it: the machine may have had other work just then.
const hostileTries = 3

// suffer has the VM do an attack. The neighbour's commands, in the median, take
// less than twice as long as beside the VM when it is only busy: at any time, or
// just before, whichever was the slower.
func (h *hostility) suffer(a hostileAttack) {
	for try := 1; ; try++ {
		before := h.beside(h.share/2, h.inside("burn", (h.share/2).String()))
		h.calm = append(h.calm, before...)
		attack := h.inside("hostile", a.name, h.share.String())
		loud := h.beside(h.share, func(ctx context.Context) {
			var all sync.WaitGroup
			all.Go(func() { attack(ctx) })
			if a.meanwhile != nil {
				all.Go(func() { a.meanwhile(h, ctx) })
			}
			all.Wait()
		})
		if a.impostor {
			h.recovers(a)
		}
		said := h.wentWell(a)
		calm, got := max(median(h.calm), median(before)), median(loud)
		h.ts.Logf(figure+"%s (%s): the neighbour's command %v, of %d; beside a busy VM %v, of %d; monitor %v; daemon %v", a.name, said,
			got.Round(time.Millisecond), len(loud), calm.Round(time.Millisecond), len(h.calm), h.monitor.now(), h.daemon.now())
		if got < 2*calm {
			return
		}
		if try == hostileTries {
			h.ts.Fatalf("attack %q: the neighbour's command takes %v, over twice the %v beside a busy VM, %d times in a row", a.name, got, calm, try)
		}
	}
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// beside runs what for that long, and the neighbour's commands one after the
// other meanwhile: it returns how long they took.
func (h *hostility) beside(limit time.Duration, what func(context.Context)) []time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var others sync.WaitGroup
	others.Go(func() { what(ctx) })
	others.Go(func() {
		for ctx.Err() == nil {
			h.monitor.look()
			h.daemon.look()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	defer others.Wait()
	var took []time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		h.ts.Check(h.run(time.Minute, nil, "exec", h.neighbour, "--", "true"))
		took = append(took, time.Since(began))
		h.ts.Check(h.run(time.Minute, nil, "ls"))
	}
	return took
}

// inside is a command of the probe in the VM, which ends by itself: badly where
// it ends the agent.
func (h *hostility) inside(args ...string) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.share+time.Minute)
		defer cancel()
		cmd := h.command(ctx, append([]string{"exec", h.vm, "--", "probe"}, args...)...)
		cmd.Stdout = io.Discard
		_ = cmd.Run()
	}
}

// takesOutput leaves one command's output alone.
func (h *hostility) takesOutput(ctx context.Context) {
	r, w, err := os.Pipe()
	if err != nil {
		return
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	cmd := h.command(ctx, "exec", h.vm, "--", "probe", "hostile", "output", h.share.String())
	cmd.Stdout = w
	_ = cmd.Run()
}

// asks asks the VM's guest everything that there is. It may fail, and what it
// prints does not matter.
func (h *hostility) asks(ctx context.Context) {
	for ctx.Err() == nil {
		for _, args := range [][]string{
			{"exec", h.vm, "--", "true"},
			{"vm", "health", h.vm},
			{"vm", "stats", h.vm},
			{"vm", "ports", h.vm},
			{"vm", "session", "list", h.vm},
			{"vm", "session", "start", h.vm, "--", "true"},
			{"vm", "cp", h.vm + ":/bin/probe", filepath.Join(h.ts.Getenv("WORK"), "copy")},
			{"ssh", h.vm, "true"},
		} {
			few, cancel := context.WithTimeout(ctx, max(h.share/8, 500*time.Millisecond))
			_ = h.command(few, args...).Run()
			cancel()
		}
	}
}

// recovers waits for the agent's successor.
func (h *hostility) recovers(a hostileAttack) {
	var last error
	back := poll(time.Minute, func() bool {
		last = h.run(20*time.Second, nil, "exec", h.vm, "--", "true")
		return last == nil
	})
	if !back {
		h.ts.Fatalf("attack %q: the guest's own agent does not come back: %v", a.name, last)
	}
}

// wentWell checks that the attack was one, and returns what it says of itself.
func (h *hostility) wentWell(a hostileAttack) string {
	var said strings.Builder
	h.ts.Check(h.run(time.Minute, &said, "exec", h.vm, "--", "cat", "/hostile-"+a.name))
	if !strings.HasPrefix(said.String(), "done") {
		h.ts.Fatalf("attack %q: %s", a.name, said.String())
	}
	return strings.TrimSpace(said.String())
}

func (h *hostility) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.banger, args...)
	cmd.Env, cmd.WaitDelay = h.env, time.Second
	return cmd
}

func (h *hostility) run(limit time.Duration, stdout io.Writer, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := h.command(ctx, args...)
	cmd.Stdout = stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("banger %q: %w", args, err)
	}
	return nil
}
