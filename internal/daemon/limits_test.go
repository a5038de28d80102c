package daemon

import (
	"testing"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/vm"
)

// TestConfigTakesWhatAVMCanHave: a default that no VM could have is refused where
// the user wrote it.
func TestConfigTakesWhatAVMCanHave(t *testing.T) {
	if config.MinMemory != vm.MinMemoryBytes || config.MinDisk != vm.MinDiskBytes {
		t.Errorf("config takes %d bytes of memory and %d of disk, a VM %d and %d", config.MinMemory, config.MinDisk, vm.MinMemoryBytes, vm.MinDiskBytes)
	}
}
