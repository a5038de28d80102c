package fault_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bangervm/banger/internal/fault"
)

func TestClip(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("x", fault.MaxText)} {
		if got := fault.Clip(text); got != text {
			t.Errorf("%d bytes became %d", len(text), len(got))
		}
	}
	for _, text := range []string{strings.Repeat("x", 1<<20), strings.Repeat("€", 5000), strings.Repeat("\x80", 5000)} {
		got := fault.Clip(text)
		if len(got) > fault.MaxText || !strings.HasSuffix(got, "…") || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%d bytes became %d: …%q", len(text), len(got), got[max(0, len(got)-10):])
		}
	}
}
