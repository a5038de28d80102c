package status_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func TestSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 s": 0, "59 s": 59*time.Second + 999*time.Millisecond, "1 min": time.Minute, "59 min": time.Hour - 1, "1 h": time.Hour + 30*time.Second,
		"1 h 12 min": 72 * time.Minute, "23 h 59 min": 24*time.Hour - 1, "1 d": 24 * time.Hour, "400 d": 400 * 24 * time.Hour,
	} {
		if got := status.Span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := status.Age(noon, at(5)); got != "0 s" {
		t.Errorf("a moment to come is %q ago", got)
	}
}

func TestAttentionWords(t *testing.T) {
	three := 3
	for want, a := range map[string]api.Attention{
		"needs input":            {State: api.AttentionNeedsInput},
		"needs input (approval)": {State: api.AttentionNeedsInput, Why: api.WhyApproval, Text: "run rm?"},
		"working":                {State: api.AttentionWorking},
		"done":                   {State: api.AttentionDone},
		"done (error)":           {State: api.AttentionDone, Why: api.WhyError},
		"done (exit 3)":          {State: api.AttentionDone, Why: api.WhyError, ExitCode: &three},
		"done (SIGSEGV)":         {State: api.AttentionDone, Why: api.WhyError, ExitCode: &three, Signal: "SEGV"},
		"done (stopped)":         {State: api.AttentionDone, Why: api.WhyStopped, ExitCode: &three, Signal: "TERM"},
		"done (lost)":            {State: api.AttentionDone, Why: api.WhyLost},
	} {
		if got := status.Attention(a); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTheMostUrgentSessionIsTheVMs(t *testing.T) {
	started, before, after := at(0), at(-60), at(30)
	v := &api.VM{State: api.VMRunning, StartedAt: &started}
	attention := func(state string, since int) *api.Attention { return &api.Attention{State: state, Since: at(since)} }
	earlier := api.Session{Name: "earlier", EndedAt: &before, Attention: attention(api.AttentionDone, -60)}
	sessions := []api.Session{
		earlier,
		{Name: "ended", EndedAt: &after, Attention: attention(api.AttentionDone, 30)},
		{Name: "late", Attention: attention(api.AttentionNeedsInput, 20)},
		{Name: "unknown"},
		{Name: "long", Attention: attention(api.AttentionNeedsInput, 10)},
		{Name: "busy", Attention: attention(api.AttentionWorking, 1)},
	}
	if got := status.VMAttention(v, sessions); got == nil || got.Session != "long" || got.State != api.AttentionNeedsInput {
		t.Errorf("got %+v", got)
	}
	if sessions[4].Attention.Session != "" {
		t.Error("the session's own attention was changed")
	}
	if got := status.VMAttention(v, []api.Session{earlier, {Name: "unknown"}}); got != nil {
		t.Errorf("of an earlier start: %+v", got)
	}
	if got := status.VMAttention(&api.VM{State: api.VMStopped}, sessions); got != nil {
		t.Errorf("of a stopped VM: %+v", got)
	}
}

func TestWhoNeedsSomebodyComesFirst(t *testing.T) {
	vm := func(name, state, attention string, since int) *api.VM {
		v := &api.VM{Name: name, State: state}
		if attention != "" {
			v.Attention = &api.Attention{State: attention, Since: at(since)}
		}
		return v
	}
	asks := vm("z-says-what-for", api.VMRunning, api.AttentionNeedsInput, 9)
	asks.Attention.Text = "which one?"
	want := []*api.VM{
		asks,
		vm("z-waits-long", api.VMRunning, api.AttentionNeedsInput, 0),
		vm("waits", api.VMPaused, api.AttentionNeedsInput, 9),
		vm("failed", api.VMFailed, "", 0),
		vm("starting", api.VMStarting, "", 0),
		vm("stopping", api.VMStopping, api.AttentionNeedsInput, 0),
		vm("a-works", api.VMRunning, api.AttentionWorking, 5),
		vm("b-works", api.VMRunning, api.AttentionWorking, 0),
		vm("done", api.VMRunning, api.AttentionDone, 0),
		vm("idle", api.VMRunning, api.AttentionIdle, 0),
		vm("running", api.VMRunning, "", 0),
		vm("paused", api.VMPaused, api.AttentionIdle, 0),
		vm("stopped", api.VMStopped, "", 0),
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, status.CompareVMs)
	for i, v := range got {
		if v != want[i] {
			t.Errorf("%d: %s, want %s", i, v.Name, want[i].Name)
		}
	}
}

func TestBoot(t *testing.T) {
	for want, given := range map[string]*api.BootTimeline{
		"":                          nil,
		"cold boot on qemu-kvm":     {How: "cold", Driver: "qemu-kvm"},
		"cold boot on x, vmm 61 ms": {How: "cold", Driver: "x", VMMMS: 60.6},
		"cold boot on x, monitor 4 ms, ready 1234 ms": {How: "cold", Driver: "x", MonitorMS: 4, ReadyMS: 1234},
	} {
		if got := status.Boot(given); got != want {
			t.Errorf("%+v is %q, want %q", given, got, want)
		}
	}
}
