package denied_test

import (
	"testing"

	"github.com/bangervm/banger/internal/client/denied"
)

func TestARecordStandsForItsRepeats(t *testing.T) {
	for reason, want := range map[string]struct {
		ground string
		times  int
	}{
		"":                                {"", 1},
		"1 more time":                     {"", 1},
		"999 more times":                  {"", 999},
		"the answer is old":               {"the answer is old", 1},
		"the answer is old; 2 more times": {"the answer is old", 2},
		"-1 more times":                   {"-1 more times", 1},
		"a; b":                            {"a; b", 1},
	} {
		if ground, times := denied.Repeats(reason); ground != want.ground || times != want.times {
			t.Errorf("%q: %q, %d", reason, ground, times)
		}
	}
}
