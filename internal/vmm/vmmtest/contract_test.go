package vmmtest

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/vmm"
)

func TestTheDriverWithoutAVMMKeepsTheContract(t *testing.T) {
	Contract(t, Rig{
		New:  func() vmm.Driver { return Driver{} },
		Spec: vmm.Spec{Name: "contract", Program: Program, MemoryBytes: 1 << 20, VCPU: 1, Disks: []vmm.Disk{{Name: "d"}}}, Port: 7, Limit: time.Minute,
	})
}
