package qemu

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bangervm/banger/internal/vmm"
)

// blockStats are of one device, by query-blockstats of the QMP reference manual.
type blockStats struct {
	Stats struct {
		Reads        int64 `json:"rd_operations"`
		ReadBytes    int64 `json:"rd_bytes"`
		Writes       int64 `json:"wr_operations"`
		WrittenBytes int64 `json:"wr_bytes"`
		Flushes      int64 `json:"flush_operations"`
		FailedReads  int64 `json:"failed_rd_operations"`
		FailedWrites int64 `json:"failed_wr_operations"`
		FailedFlush  int64 `json:"failed_flush_operations"`
	} `json:"stats"`
}

// Counters implements vmm.Machine.
func (m *Machine) Counters(ctx context.Context) (vmm.Counters, error) {
	answer, err := m.qmp.query(ctx, "query-blockstats", nil)
	if err != nil {
		return vmm.Counters{}, err
	}
	return countersOf(answer)
}

func countersOf(answer json.RawMessage) (vmm.Counters, error) {
	var devices []blockStats
	if err := json.Unmarshal(answer, &devices); err != nil {
		return vmm.Counters{}, fmt.Errorf("read QEMU's counters: %w", err)
	}
	var c vmm.Counters
	for _, d := range devices {
		s := d.Stats
		c.DiskReads, c.DiskReadBytes = vmm.Plus(c.DiskReads, s.Reads), vmm.Plus(c.DiskReadBytes, s.ReadBytes)
		c.DiskWrites, c.DiskWriteBytes = vmm.Plus(c.DiskWrites, s.Writes), vmm.Plus(c.DiskWriteBytes, s.WrittenBytes)
		c.DiskFlushes = vmm.Plus(c.DiskFlushes, s.Flushes)
		for _, failed := range []int64{s.FailedReads, s.FailedWrites, s.FailedFlush} {
			c.DiskErrors = vmm.Plus(c.DiskErrors, failed)
		}
	}
	return c, nil
}
