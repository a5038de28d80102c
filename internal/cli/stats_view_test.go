package cli

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/client"
)

func TestColumnsThatDoNotFitAreLeftOut(t *testing.T) {
	for width, last := range map[int]string{200: "DENIED", 80: "NET OUT/S", 60: "WRITE/S", 10: "CPU"} {
		head := usageLines([]client.Usage{{}}, width)[0]
		if !strings.HasSuffix(head, last) || width > 20 && len(head) > width {
			t.Errorf("%d columns: %q, want %s last", width, head, last)
		}
	}
}
