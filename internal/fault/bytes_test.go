package fault_test

import (
	"math"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 33554432: "32 MiB",
		64 << 30: "64 GiB", -5: "-5 bytes", math.MaxInt64: "8 EiB",
	} {
		if got := fault.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
