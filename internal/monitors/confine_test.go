package monitors

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestAMonitorKeepsWhatItsVMMNeeds(t *testing.T) {
	odd := errors.New("no such driver")
	l := New(statedir.Dirs{}, []string{"/b", "monitor"}, slog.New(slog.DiscardHandler)).
		Confine([]string{"/b", "confine"}, func(driver, program string) (vmm.Needs, error) {
			if driver != "d" {
				return vmm.Needs{}, odd
			}
			return vmm.Needs{Read: []string{program + ".so"}, Devices: []string{"/dev/d"}}, nil
		})
	cmd, err := l.monitorCommand("/v", vm.Spec{Driver: "d", VMM: "/bin/vmm"}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/bin/vmm.so", "/dev/d", "/dev/null"} {
		if !slices.ContainsFunc(cmd.Args, func(arg string) bool { return strings.Contains(arg, `"`+want+`"`) }) {
			t.Errorf("%s is not in %q", want, cmd.Args)
		}
	}
	if _, err := l.monitorCommand("/v", vm.Spec{Driver: "other"}, true); !errors.Is(err, odd) {
		t.Errorf("another driver gave %v", err)
	}
}
