package status

import (
	"cmp"

	"github.com/bangervm/banger/internal/api"
)

// Ended says why v's last start ended, as a sentence without its stop; empty: it has not ended, or was
// never started.
func Ended(v *api.VM) string {
	if Alive(v.State) || v.ExitReason == "" {
		return ""
	}
	return cmp.Or(map[string]string{
		"stopped":          "Stopped on request",
		"stopped-hard":     "Stopped on request, by force: the guest did not go down in time",
		"killed":           "Killed on request",
		"guest-poweroff":   "The guest powered off by itself",
		"guest-failed":     "The guest could not be set up, or reset before it was ready",
		"ready-timeout":    "The guest was not ready in time",
		"vmm-failed":       "The VM crashed: its VMM ended by itself or by a signal",
		"monitor-died":     "The VM's monitor ended without a record",
		"host-restart":     "The host was restarted while the VM ran",
		"start-failed":     "The VM could not be started",
		"too-many-reboots": "The guest reset again and again",
	}[v.ExitReason], v.ExitReason)
}

// OutputLost says why the output of a session of v cannot be read; empty: it can be asked for.
func OutputLost(v *api.VM, s api.Session) string {
	switch {
	case s.State == api.SessionFailed:
		return "it was never started"
	case s.State == api.SessionLost:
		return "it was lost, and its output with it"
	case !Alive(v.State), v.StartedAt != nil && s.CreatedAt.Before(*v.StartedAt):
		return "it ended with its VM, and its output is lost"
	}
	return ""
}
