package daemon

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/vm"
)

// TestConfigTakesWhatAVMCanHave: a default that no VM could have is refused where
// the user wrote it.
func TestConfigTakesWhatAVMCanHave(t *testing.T) {
	if ordinary := config.Default().VM.ReadyTimeout; time.Duration(ordinary)*time.Second != vm.OrdinaryReadyTimeout {
		t.Errorf("config gives a guest %d s to be ready, a VM %s", ordinary, vm.OrdinaryReadyTimeout)
	}
	if config.MinMemory != vm.MinMemoryBytes || config.MinDisk != vm.MinDiskBytes {
		t.Errorf("config takes %d bytes of memory and %d of disk, a VM %d and %d", config.MinMemory, config.MinDisk, vm.MinMemoryBytes, vm.MinDiskBytes)
	}
}
