package daemon

import (
	"os"
	"path/filepath"
)

// agentName is the file name of the agent's binary.
const agentName = "banger-vsock-agent"

// agentPath is where the guest's agent should be: BANGER_AGENT, or beside
// bangerd, or ../lib/banger.
func agentPath(self string) string {
	if path := os.Getenv("BANGER_AGENT"); path != "" {
		return path
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	beside := filepath.Join(filepath.Dir(self), agentName)
	installed := filepath.Join(filepath.Dir(self), "..", "lib", "banger", agentName)
	if _, err := os.Stat(beside); err != nil {
		if _, err := os.Stat(installed); err == nil {
			return installed
		}
	}
	return beside
}
