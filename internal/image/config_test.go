package image

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestConfigIsBounded(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		config  Config
		refused bool
	}{
		"an ordinary one":                {Config{Env: []string{"PATH=/bin"}, Cmd: []string{"sh"}}, false},
		"2,000 variables of 400 bytes":   {Config{Env: many(2000, strings.Repeat("v", 400))}, false},
		"a big variable":                 {Config{Env: []string{big}}, true},
		"variables that are big as JSON": {Config{Env: many(2, strings.Repeat("\x01", 100_000))}, true},
		"many variables":                 {Config{Env: many(500_000, "")}, true},
		"a big entrypoint":               {Config{Entrypoint: []string{big}}, true},
		"a big command":                  {Config{Cmd: []string{big}}, true},
		"a big directory":                {Config{WorkingDir: big}, true},
		"many volumes":                   {Config{Volumes: many(500_000, "")}, true},
		"a big user":                     {Config{User: big}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.config.validate(); errors.Is(err, fault.Invalid) != test.refused {
				t.Errorf("error %v, refused: want %v", err, test.refused)
			}
		})
	}
}

func many(n int, text string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = text
	}
	return out
}
