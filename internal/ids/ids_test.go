package ids_test

import (
	"testing"

	"github.com/bangervm/banger/internal/ids"
)

func TestNew(t *testing.T) {
	a, b := ids.New(), ids.New()
	if !ids.Like(a) || !ids.Like(b) || a == b {
		t.Errorf("%q and %q are not two ids", a, b)
	}
}

func TestHex(t *testing.T) {
	if got := ids.Hex(6); len(got) != 12 {
		t.Errorf("6 bytes are %q", got)
	}
}

func TestLike(t *testing.T) {
	for text, want := range map[string]bool{
		"0123456789abcdef": true, "": false, "0123456789abcde": false, "0123456789abcdef0": false,
		"0123456789ABCDEF": false, "0123456789abcdeg": false, "0123456-89abcdef": false,
	} {
		if got := ids.Like(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
