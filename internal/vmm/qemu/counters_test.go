package qemu

import (
	"math"
	"testing"

	"github.com/bangervm/banger/internal/vmm"
)

func TestCountersOfAllDisksAreAdded(t *testing.T) {
	got, err := countersOf([]byte(`[
		{"device":"","qdev":"/machine/peripheral/disk-a/virtio-backend","stats":{"rd_operations":1,"rd_bytes":10,"wr_operations":2,"wr_bytes":20,"flush_operations":3,"failed_rd_operations":4}},
		{"stats":{"rd_operations":1,"rd_bytes":9223372036854775807,"wr_operations":-5,"failed_wr_operations":1,"failed_flush_operations":1}}]`))
	want := vmm.Counters{DiskReads: 2, DiskReadBytes: math.MaxInt64, DiskWrites: 2, DiskWriteBytes: 20, DiskFlushes: 3, DiskErrors: 6}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, odd := range []string{`{}`, `[{"stats":{"rd_bytes":"x"}}]`, ``} {
		if _, err := countersOf([]byte(odd)); err == nil {
			t.Errorf("%q is read", odd)
		}
	}
}
