package monitors

import (
	"os"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestLastExit(t *testing.T) {
	l, dir := newLauncher(t, "")
	for _, tt := range []struct {
		text string
		code fault.Code // empty: fine
	}{
		{"", fault.NotFound},
		{`{"format":1,"reason":"stopped"}`, ""},
		{`{"format":2}`, fault.Invalid},
		{`{`, fault.Internal},
	} {
		if tt.text != "" {
			if err := os.WriteFile(dir.Exit(), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := l.LastExit(t.Context(), testID)
		if (err == nil) != (tt.code == "") || err != nil && fault.CodeOf(err) != tt.code {
			t.Errorf("%s: %v; want %q", tt.text, err, tt.code)
		}
	}
}

func FuzzExit(f *testing.F) {
	f.Add([]byte(`{"format":1,"start_id":"s","reason":"stopped","boots":1,"at":"2026-01-02T03:04:05Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if exit, err := parseExit(data); err == nil && exit.Format != vm.ExitFormat {
			t.Errorf("format %d was taken", exit.Format)
		}
	})
}
