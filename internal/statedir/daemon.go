package statedir

import "path/filepath"

// StartLock is held by whoever starts or replaces the daemon, so that two
// command lines at once start one.
func (d Dirs) StartLock() string { return filepath.Join(d.State, "start.lock") }

// OldLog is what Log was before it was too big.
func (d Dirs) OldLog() string { return d.Log() + ".1" }

// OldConsole is what Console was before it was rotated: at each start, and when it was too big.
func (v VM) OldConsole() string { return v.Console() + ".1" }

// OldEgressLog is what EgressLog was before it was rotated, when it was too big.
func (v VM) OldEgressLog() string { return v.EgressLog() + ".1" }
