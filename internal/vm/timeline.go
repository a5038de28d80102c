package vm

import "time"

// BootKind is how a machine comes to run.
type BootKind string

// The kinds.
const (
	BootCold     BootKind = "cold"     // a kernel boots
	BootTemplate BootKind = "template" // it goes on from a saved machine, that had no identity
	BootResumed  BootKind = "resumed"  // it goes on where it was suspended
)

// BootTimeline is how far a start came, and when: each point is the time since bangerd
// began the start; 0: it was not reached, or is not known.
type BootTimeline struct {
	How    BootKind `json:"how"`
	Driver string   `json:"driver"`
	// Template is the key of the saved machine that it was to go on from; empty: none.
	Template string `json:"template,omitempty"`
	// NotRestored is why it is a cold boot in spite of that: one line.
	NotRestored string `json:"not_restored,omitempty"`

	Monitor    time.Duration `json:"monitor_ns"`    // the monitor runs
	VMM        time.Duration `json:"vmm_ns"`        // the VMM answers, and the guest's CPUs run
	Connected  time.Duration `json:"connected_ns"`  // the agent said Hello
	Configured time.Duration `json:"configured_ns"` // the agent has done what Configure asks
	Ready      time.Duration `json:"ready_ns"`      // PID 1 is what it is to be, and the agent serves
}

// reach takes what a monitor says. One that does not say leaves it as it is.
func (t *BootTimeline) reach(said BootTimeline) {
	if said != (BootTimeline{}) {
		*t = said
	}
}
