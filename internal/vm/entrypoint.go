package vm

import (
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// RestartPolicy says when an image's program that has ended runs again.
type RestartPolicy string

// The restart policies: never; after a status that is not zero; always.
const (
	RestartNo        RestartPolicy = "no"
	RestartOnFailure RestartPolicy = "on-failure"
	RestartAlways    RestartPolicy = "always"
)

// Entrypoint is how the image's program is, as the guest says. State is "running",
// "restarting" (it waits for its next start) or "exited".
type Entrypoint struct {
	State    string    `json:"state"`
	Restarts int       `json:"restarts"`
	ExitCode int       `json:"exit_code"`
	Error    string    `json:"error,omitempty"`
	Since    time.Time `json:"since"`
}

// validateEntrypoint takes the empty policy for: the program does not run.
func validateEntrypoint(policy RestartPolicy) error {
	switch policy {
	case "", RestartNo, RestartOnFailure, RestartAlways:
		return nil
	default:
		return fault.New(fault.Invalid, "the restart policy %q does not exist", policy).WithHint("use no, on-failure or always")
	}
}

// checkProgram refuses an image that has nothing to run, where it is to run.
func (c *creation) checkProgram(img Image) error {
	if c.v.Entrypoint == "" || len(img.Config.Command()) > 0 {
		return nil
	}
	return fault.New(fault.Invalid, "image %s has neither an entrypoint nor a command", c.v.Image).
		WithHint("leave --entrypoint out")
}
