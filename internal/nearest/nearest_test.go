package nearest_test

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/nearest"
)

func TestName(t *testing.T) {
	names := []string{"debian", "debian-dev", "alpine", "void", "x"}
	for word, want := range map[string]string{
		"debain": "debian", "Alpin": "alpine", "viod": "void", "vast": "", "debian": "debian", "": "", "y": "",
		strings.Repeat("debian", 1000): "",
	} {
		if got := nearest.Name(word, names); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"list", "lits", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}} {
		if got := nearest.Changes(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
