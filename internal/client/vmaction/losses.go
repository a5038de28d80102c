package vmaction

import (
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// UnexportedWork words the work in v's workspace that was not exported; empty: none is
// known.
func UnexportedWork(v *api.VM) string {
	w := v.Workspace
	switch {
	case w == nil, w.State == api.WorkspaceClean:
		return ""
	case w.State == api.WorkspaceUnknown:
		return "changes in the workspace, not counted since it was last read"
	default:
		return fault.Count(w.Files, "changed file") + " in the workspace, not exported"
	}
}

// workInSystem is UnexportedWork outside /root and /home, which a reset keeps.
func workInSystem(v *api.VM) string {
	if v.Workspace != nil {
		for _, kept := range []string{"/root/", "/home/"} {
			if strings.HasPrefix(v.Workspace.Path+"/", kept) {
				return ""
			}
		}
	}
	return UnexportedWork(v)
}

func oneOf(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// endsSessions is what ends with a VM that goes down.
func endsSessions(_ *api.VM, sessions []api.Session) []string {
	running := 0
	for _, s := range sessions {
		if s.State == api.SessionRunning {
			running++
		}
	}
	if running == 0 {
		return nil
	}
	return []string{fault.Count(running, "running session")}
}

func killLosses(v *api.VM, sessions []api.Session) []string {
	return append(endsSessions(v, sessions), "what the guest has not written to its disk")
}

func resetLosses(v *api.VM, sessions []api.Session) []string {
	return append(append(oneOf(workInSystem(v)), endsSessions(v, sessions)...), "all changes to its system, that is outside /root, /home and volumes")
}

func deleteLosses(v *api.VM, sessions []api.Session) []string {
	return append(append(oneOf(UnexportedWork(v)), endsSessions(v, sessions)...), "its disk, of up to "+fault.Bytes(v.DiskBytes))
}
