package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

// speaking is a driver whose machines' agents say this, once they run.
type speaking struct {
	vmmtest.Driver
	t     *testing.T
	words string
}

func (d speaking) Start(ctx context.Context, spec vmm.Spec, site vmm.Site) (vmm.Machine, error) {
	m, err := d.Driver.Start(ctx, spec, site)
	if err != nil {
		return nil, err
	}
	conn, err := statedir.DialUnix(ctx, controlSocket())
	if err != nil {
		return nil, err
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, d.words)
	return m, err
}

func helloLine(t *testing.T, h agentrpc.Hello) string {
	t.Helper()
	data, err := json.Marshal(agentrpc.GuestMessage{Hello: &h})
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}

func TestOnlyAMachineThatWaitsForAnIdentityIsSaved(t *testing.T) {
	for name, c := range map[string]struct {
		words string
		ok    bool
	}{
		"it waits":                {helloLine(t, agentrpc.Hello{Protocol: agentrpc.Version}), true},
		"it has an identity":      {helloLine(t, agentrpc.Hello{Protocol: agentrpc.Version, Configured: true}), false},
		"it is of another build":  {helloLine(t, agentrpc.Hello{Protocol: agentrpc.Version + 1}), false},
		"it talks nonsense":       {"nonsense\n", false},
		"it says nothing in time": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if c.words == "" {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			spec := vmm.Spec{Program: vmmtest.Program, MemoryBytes: 1 << 20, Saves: true}
			site := vmm.Site{Dir: ".", Log: slog.New(slog.DiscardHandler)}
			saved, err := bootAndSave(ctx, speaking{t: t, words: c.words}, spec, site)
			if (err == nil) != c.ok {
				t.Errorf("saving gave %v", err)
			}
			if err == nil && saved.Memory == nil {
				t.Error("it was saved without a memory")
			}
			_ = saved.Close()
			if left, _ := filepath.Glob("*"); len(left) > 0 {
				t.Errorf("%q are left", left)
			}
		})
	}
}

func TestADriverThatSavesNothingSaysSo(t *testing.T) {
	t.Chdir(t.TempDir())
	spec := vmm.Spec{Program: vmmtest.Program, MemoryBytes: 1 << 20} // not to be saved
	_, err := bootAndSave(t.Context(), speaking{t: t, words: helloLine(t, agentrpc.Hello{Protocol: agentrpc.Version})}, spec,
		vmm.Site{Dir: ".", Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("saving gave %v", err)
	}
}
