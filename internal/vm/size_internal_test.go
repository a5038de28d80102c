package vm

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestSizesAreToldAsMessagesHaveThem(t *testing.T) {
	for n, want := range map[int64][]string{
		32 << 20:  {"disk size 32 MiB is too small", "at least 256 MiB"},
		1:         {"disk size 1 byte is too small"},
		100 << 40: {"disk size 100 TiB is more than this host's 1.5 GiB of disk", "at most 1536 MiB"},
	} {
		err := validateSize("disk", n, 256<<20, 3<<29, "disk")
		text := ""
		if err != nil {
			text = err.Error() + " " + fault.HintOf(err).String()
		}
		for _, part := range want {
			if !errors.Is(err, fault.Invalid) || !strings.Contains(text, part) {
				t.Errorf("%d: %q does not say %q", n, text, part)
			}
		}
	}
}
