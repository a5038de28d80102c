package doctor

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/codingagent"
)

// checkAgents looks for the files of the coding agents whose presets each VM gets.
func checkAgents(_ context.Context, w World) verdict {
	var found []string
	for _, name := range w.Settings.Presets {
		agent, known := codingagent.Named(name)
		if !known { // the configuration's check says it
			continue
		}
		if c := agent.Credentials; c != nil && !slices.ContainsFunc(c.Files, w.atHome) {
			return warn("log in with "+name+" on this host, or give VMs one of "+strings.Join(c.Env, ", ")+" as an environment variable",
				"preset %s copies no credentials to VMs: %s does not exist", name, strings.Join(c.Files, ", "))
		}
		if !slices.ContainsFunc(agent.Files, w.atHome) {
			return info("preset %s copies nothing to VMs: none of %s exists", name, strings.Join(agent.Files, ", "))
		}
		found = append(found, name)
	}
	if len(found) == 0 {
		return ok("no preset of a coding agent is configured")
	}
	return ok("files of %s are copied to VMs", strings.Join(found, ", "))
}

// atHome reports whether a file "~/…" of the user exists.
func (w World) atHome(path string) bool {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok || w.Home == "" {
		return false
	}
	_, err := w.stat(filepath.Join(w.Home, rest))
	return err == nil
}
