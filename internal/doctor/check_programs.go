package doctor

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// program is one that banger runs, and the Debian package that has it.
type program struct{ name, pack, purpose string }

func checkHelpers(_ context.Context, w World) verdict {
	return w.programs(Fail, []program{
		{"mkfs.ext4", "e2fsprogs", "formats VM disks"},
	})
}

func checkTools(_ context.Context, w World) verdict {
	return w.programs(Warn, []program{
		{"depmod", "kmod", "indexes a kernel's modules at import"},
		{"ssh", "openssh-client", "vm ssh"},
		{"git", "git", "workspaces"},
	})
}

func (w World) programs(worst Status, wanted []program) verdict {
	var found, missing, packs []string
	for _, p := range wanted {
		if path, err := w.LookPath(p.name); err == nil {
			found = append(found, path)
			continue
		}
		missing = append(missing, p.name+" ("+p.purpose+")")
		packs = append(packs, p.pack)
	}
	if len(missing) == 0 {
		return ok("%s", strings.Join(found, ", "))
	}
	return verdict{
		status: worst,
		reason: "not found: " + strings.Join(missing, ", "),
		remedy: fault.Hintf("sudo apt-get install %s", strings.Join(packs, " ")),
	}
}

// AgentName is the file name of the agent's executable.
const AgentName = "banger-vsock-agent"

func checkAgent(_ context.Context, w World) verdict {
	candidates := []string{w.Settings.Agent}
	if w.Settings.Agent == "" {
		dir := filepath.Dir(w.Executable)
		candidates = []string{
			filepath.Join(dir, AgentName),
			filepath.Join(dir, "..", "lib", "banger", AgentName),
		}
	}
	for _, path := range candidates {
		info, err := w.stat(path)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return ok("%s", filepath.Clean(path))
		}
	}
	return fail("make install, or set BANGER_AGENT to the path of "+AgentName,
		"%s is not an executable file", filepath.Clean(candidates[0]))
}
