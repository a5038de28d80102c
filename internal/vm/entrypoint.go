package vm

import (
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
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

// EntrypointHealth is what the health check says of the image's program that runs. State
// is "starting", "healthy" or "unhealthy".
type EntrypointHealth struct {
	State    string    `json:"state"`
	Failures int       `json:"failures"`  // in a row
	ExitCode int       `json:"exit_code"` // of the last check
	Output   string    `json:"output,omitempty"`
	Since    time.Time `json:"since"` // of State
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

// healthCheck is what the guest's agent checks; nil: nothing.
func (v VM) healthCheck(img Image) *image.HealthCheck {
	if v.Entrypoint == "" || v.NoHealthcheck {
		return nil
	}
	return img.Config.HealthCheck
}

// checkProgram refuses an image that has nothing to run, where it is to run.
func (c *creation) checkProgram(img Image) error {
	if c.v.Entrypoint == "" || len(img.Config.Command()) > 0 {
		return nil
	}
	return fault.New(fault.Invalid, "image %s has neither an entrypoint nor a command", c.v.Image).
		WithHint("leave --entrypoint out")
}
