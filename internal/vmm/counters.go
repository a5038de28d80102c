package vmm

import "math"

// Counters are what a VMM has counted of a machine since it started. What it does not
// count is 0. They come from the VMM, which its guest may have taken over: they are not
// negative, and mean no more.
type Counters struct {
	// What the guest asked of its disks, also where the host's page cache answered.
	DiskReads, DiskReadBytes, DiskWrites, DiskWriteBytes, DiskFlushes int64
	DiskErrors                                                        int64
	// ReclaimedBytes is the free memory that the guest gave back to the host.
	ReclaimedBytes int64
}

// Plus adds two counts that are not negative, as far as they fit.
func Plus(a, b int64) int64 {
	if a, b = max(a, 0), max(b, 0); a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
