package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/api"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func stageOperation(stages ...api.Stage) api.Operation { return api.Operation{Stages: stages} }

func ended(s api.Stage, state string, after time.Duration) api.Stage {
	end := s.StartedAt.Add(after)
	s.State, s.EndedAt = state, &end
	return s
}

func TestPlainStages(t *testing.T) {
	var out strings.Builder
	p := &plainStages{out: &out, now: func() time.Time { return noon }}
	fetch := api.Stage{Name: "fetch", State: api.StageRunning, StartedAt: noon}
	p.update(stageOperation(fetch))
	p.update(stageOperation(fetch)) // nothing new
	fetch.Done, fetch.Unit, fetch.Detail = 2<<20, api.UnitBytes, "\x1b[2Jx"
	unpack := api.Stage{Name: "unpack", State: api.StageRunning, StartedAt: noon, Detail: "5 layers"}
	p.update(stageOperation(ended(fetch, api.StageDone, 2*time.Second), unpack))
	p.update(stageOperation(ended(fetch, api.StageDone, 2*time.Second), ended(unpack, "failed", time.Minute+time.Second)))
	p.close()
	want := "fetch …\nfetch done (2.0s, 2MiB)\nunpack: 5 layers …\nunpack failed (1m01s)\n"
	// The end of one stage and the beginning of the next come together, in order.
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func newLive(out *strings.Builder, width int) *liveStages {
	return &liveStages{
		out: out, now: func() time.Time { return noon.Add(2 * time.Second) },
		width: func() int { return width }, stop: make(chan struct{}),
	}
}

func TestLiveStages(t *testing.T) {
	var out strings.Builder
	l := newLive(&out, 80)
	fetch := api.Stage{Name: "fetch", State: api.StageRunning, StartedAt: noon, Done: 10 << 20, Total: 40 << 20, Unit: api.UnitBytes}
	l.update(stageOperation(fetch))
	if got, want := out.String(), "\r\x1b[K⠋ fetch  ━━━━━─────────────── 10MiB/40MiB  5MiB/s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	l.update(stageOperation(ended(fetch, api.StageDone, 3*time.Second)))
	if got, want := out.String(), "\r\x1b[K✓ fetch  3.0s, 10MiB\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	l.close()
	l.close()
	if out.String() != "" {
		t.Errorf("close wrote %q over a line that is not its own", out.String())
	}
}

func TestLiveStagesClearTheirLine(t *testing.T) {
	var out strings.Builder
	l := newLive(&out, 80)
	l.update(stageOperation(api.Stage{Name: "boot", State: api.StageRunning, StartedAt: noon}))
	out.Reset()
	l.close()
	if got := out.String(); got != "\r\x1b[K" {
		t.Errorf("got %q", got)
	}
}

// A line longer than the terminal would wrap, and could not be drawn over.
func TestLiveLineFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(40, 200).Draw(t, "width")
		l := newLive(&strings.Builder{}, width)
		line := l.running(api.Stage{
			Name: rapid.String().Draw(t, "name"), Detail: rapid.String().Draw(t, "detail"), StartedAt: noon,
			Done: rapid.Int64().Draw(t, "done"), Total: rapid.Int64Min(0).Draw(t, "total"),
			Unit: rapid.SampledFrom([]string{"", api.UnitBytes}).Draw(t, "unit"),
		})
		if n := len([]rune(line)); n > max(width, 80) {
			t.Errorf("%d characters on %d columns: %q", n, width, line)
		}
		if strings.ContainsAny(line, "\n\r\x1b") {
			t.Errorf("control characters in %q", line)
		}
	})
}

// TestOutputForMachinesDrivesNoTerminal has strings that a guest may choose.
func TestOutputForMachinesDrivesNoTerminal(t *testing.T) {
	hostile := "\x1b[2J\x7f\u009b2J\u202eevil\u2066\u200b\ufeff\u2028\U000e0041\r\n\t é 🦊"
	for _, f := range []format{formatJSON, formatYAML} {
		out, err := encodeValue(f, map[string]string{"says": hostile, hostile: "key"})
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out, unseen); i >= 0 {
			t.Errorf("-o %s has %q in %q", f, out[i:], out)
		}
		if !strings.Contains(out, "é 🦊") {
			t.Errorf("-o %s escapes what is seen: %q", f, out)
		}
		var got map[string]string
		read := json.Unmarshal
		if f == formatYAML {
			read = func(data []byte, v any) error { return yaml.Unmarshal(data, v) }
		}
		if err := read([]byte(out), &got); err != nil || got["says"] != hostile || got[hostile] != "key" {
			t.Errorf("-o %s reads back as %q, %v from %s", f, got, err, out)
		}
	}
}

func TestYAMLReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "no", "12", "1e3", "- a", "a: b", "~", "2026-01-01", ".5", "#x", "'", "0x1f", "on"}))
		in := map[string]any{
			"list":  rapid.SliceOfN(words, 0, 4).Draw(t, "list"),
			"map":   rapid.MapOfN(words, words, 0, 4).Draw(t, "map"),
			"deep":  []any{map[string]any{"a": rapid.SliceOfN(words, 0, 2).Draw(t, "deep"), "b": nil}, []any{[]any{true}}},
			"text":  words.Draw(t, "text"),
			"count": rapid.Int32().Draw(t, "count"),
		}
		data, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yamlFromJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := yaml.UnmarshalWithOptions([]byte(text), &got); err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		back, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again any
		if json.Unmarshal(data, &want) != nil || json.Unmarshal(back, &again) != nil {
			t.Fatal("not JSON")
		}
		if diff := cmp.Diff(want, again); diff != "" {
			t.Errorf("%s\nin:\n%s", diff, text)
		}
	})
}

func TestAges(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		-time.Hour: "0s", 59 * time.Second: "59s", 5 * time.Minute: "5m", 3 * time.Hour: "3h", 72 * time.Hour: "3d", 2000 * 24 * time.Hour: "5y",
	} {
		if got := ageText(noon, noon.Add(-ago)); got != want {
			t.Errorf("%v ago: %q, want %q", ago, got, want)
		}
	}
}

func TestIndented(t *testing.T) {
	got := indented("a\x1b[31m\u202eb\tc\r\nd\n", 2)
	if want := "a?[31m?b\tc\n  d"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
