package qemu

// readTSC returns the CPU's time-stamp counter.
func readTSC() uint64

const haveTSC = true
