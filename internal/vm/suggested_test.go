package vm_test

import (
	"testing"

	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// TestWhatAnImageSuggests counts unless the user names a size, and the host has it.
func TestWhatAnImageSuggests(t *testing.T) {
	heavy := "heavy"
	for name, test := range map[string]struct {
		memory *int64
		host   int64
		want   int64
	}{
		"the image's":      {nil, 8 * gib, 3 * gib},
		"the user's":       {new(2 * gib), 8 * gib, 2 * gib},
		"the host is less": {nil, 2 * gib, 2 * gib},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.host.facts.MemoryBytes = test.host
			v, err := h.svc.Create(t.Context(), vm.CreateRequest{Image: &heavy, MemoryBytes: test.memory}, operation.Discard{})
			if err != nil || v.MemoryBytes != test.want || v.DiskBytes != 20*gib {
				t.Errorf("%d bytes of memory, %d of disk, %v; want %d", v.MemoryBytes, v.DiskBytes, err, test.want)
			}
		})
	}
}
