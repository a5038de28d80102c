package monitors

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

func TestAMonitorInheritsTheSavedMachine(t *testing.T) {
	l, dir := newLauncher(t, `cat <&4 >"$1/state"; echo '{"code":"unavailable","message":"enough"}' >&3`)
	l.Templates(func(key string) (vmm.Saved, error) { return vmmtest.Saved("shape", "of "+key, 4096) })
	_, err := l.Start(t.Context(), vm.Spec{VMID: testID, Template: &vm.Template{Key: "the-key"}})
	if !strings.Contains(err.Error(), "enough") {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(string(dir), "state")); err != nil || string(got) != "of the-key" {
		t.Errorf("it read %q, %v", got, err)
	}
}

func TestATemplateThatCannotBeOpenedIsLeftOut(t *testing.T) {
	l, dir := newLauncher(t, `echo '{"code":"unavailable","message":"enough"}' >&3`)
	l.Templates(func(string) (vmm.Saved, error) { return vmm.Saved{}, fault.New(fault.NotFound, "none") })
	_, err := l.Start(t.Context(), vm.Spec{VMID: testID, Template: &vm.Template{Key: "the-key"}})
	if !strings.Contains(err.Error(), "enough") {
		t.Errorf("the start came to nothing by %v", err)
	}
	if spec, err := os.ReadFile(dir.Spec()); err != nil || strings.Contains(string(spec), "the-key") {
		t.Errorf("the spec is %s, %v", spec, err)
	}
}

func TestSavingEndsWithItsMonitor(t *testing.T) {
	spec := vm.Spec{VMID: "template-x", Saves: true}
	for name, c := range map[string]struct {
		script string
		ok     bool
	}{
		"saved":        {"echo ready >&3", true},
		"refused":      {`echo '{"code":"unavailable","message":"no"}' >&3; exit 1`, false},
		"died":         {"kill -9 $$", false},
		"died at last": {"echo ready >&3; exit 3", false},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLauncher(t, c.script)
			err := l.Save(t.Context(), statedir.VM(t.TempDir()), spec)
			if (err == nil) != c.ok {
				t.Errorf("it gave %v", err)
			}
		})
	}
	t.Run("given up", func(t *testing.T) {
		l, _ := newLauncher(t, "exec sleep 600")
		ctx, cancel := context.WithCancel(t.Context())
		dir := statedir.VM(t.TempDir())
		go func() { // once it runs
			for {
				if _, err := os.Stat(dir.Spec()); err == nil {
					cancel()
					return
				}
			}
		}()
		if err := l.Save(ctx, dir, spec); !errors.Is(err, fault.Canceled) {
			t.Errorf("it gave %v", err)
		}
	})
}
