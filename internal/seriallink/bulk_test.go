package seriallink

import (
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestABulkWriteIsOneFrame(t *testing.T) {
	if agentrpc.BulkWrite != maxWrite {
		t.Errorf("a bulk write has %d bytes, and a frame %d", agentrpc.BulkWrite, maxWrite)
	}
}
