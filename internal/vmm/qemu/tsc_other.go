//go:build !amd64

package qemu

func readTSC() uint64 { return 0 }

const haveTSC = false
