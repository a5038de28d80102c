// Package monitor is the process that owns one running VM: it starts the VMM,
// gives the guest its identity, answers bangerd, and records how the VM ended.
// bangerd may come and go meanwhile.
package monitor
