package config

import (
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/codingagent"
	"github.com/bangervm/banger/internal/fault"
)

// File is one [[files]] table: what is copied into guests when they start. It
// has a Preset, or a Host.
type File struct {
	// Preset names a coding agent, whose credentials and settings are copied.
	Preset string `toml:"preset" json:"preset,omitempty"`
	// Host is a file or directory here, absolute or beginning with "~/".
	Host string `toml:"host" json:"host,omitempty"`
	// Guest is its place in the guest, absolute. Empty: for "~/x", /root/x.
	Guest string `toml:"guest" json:"guest,omitempty"`
	// Mode is the permission of each file, as "0600". Empty: as here.
	Mode string `toml:"mode" json:"mode,omitempty"`
}

// Placed are the files to place, presets resolved: each with Host, Guest and Mode.
func (c Config) Placed() []File {
	var all []File
	for _, f := range c.Files {
		hosts := []string{f.Host}
		if f.Preset != "" {
			agent, _ := codingagent.Named(f.Preset)
			hosts = agent.Files
		}
		for _, host := range hosts {
			guest := f.Guest
			if rest, ok := strings.CutPrefix(host, "~/"); ok && guest == "" {
				guest = path.Join("/root", rest)
			}
			all = append(all, File{Host: host, Guest: guest, Mode: f.Mode})
		}
	}
	return all
}

// Presets are the coding agents whose files are placed.
func (c Config) Presets() []string {
	var names []string
	for _, f := range c.Files {
		if f.Preset != "" {
			names = append(names, f.Preset)
		}
	}
	return names
}

func (f File) validate() error {
	_, known := codingagent.Named(f.Preset)
	switch {
	case f.Preset == "" && f.Host == "":
		return fault.New(fault.Invalid, "files: a table needs preset or host")
	case f.Preset != "" && (f.Host != "" || f.Guest != ""):
		return fault.New(fault.Invalid, "files: preset %q cannot be used with host or guest", f.Preset)
	case f.Preset != "" && !known:
		return fault.New(fault.Invalid, "files: preset %q does not exist", f.Preset).WithHint("%s", strings.Join(codingagent.Names(), ", "))
	case f.Host != "" && !filepath.IsAbs(f.Host) && !strings.HasPrefix(f.Host, "~/"):
		return fault.New(fault.Invalid, "files: host %q must be absolute or begin with ~/", f.Host)
	case f.Host != "" && f.Guest == "" && !strings.HasPrefix(f.Host, "~/"):
		return fault.New(fault.Invalid, "files: host %q needs guest, the path in the guest", f.Host)
	case f.Guest != "" && (!path.IsAbs(f.Guest) || path.Clean(f.Guest) != f.Guest || f.Guest == "/"):
		return fault.New(fault.Invalid, "files: guest %q is not an absolute path", f.Guest)
	}
	if mode, err := strconv.ParseUint(f.Mode, 8, 32); f.Mode != "" && (err != nil || mode > 0o777) {
		return fault.New(fault.Invalid, "files: mode %q is not valid", f.Mode).WithHint(`an octal number in quotes, such as "0600"`)
	}
	return nil
}
