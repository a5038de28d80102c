// Package buildinfo is the identity of this build: one for all three binaries.
package buildinfo

import (
	"runtime"
	"runtime/debug"
	"time"
)

// Set by the linker: -X github.com/bangervm/banger/internal/buildinfo.version=…
//
//nolint:gochecknoglobals // the linker can only write package variables
var (
	version = ""
	commit  = ""
	builtAt = ""
)

// Info identifies a build.
type Info struct {
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	BuiltAt time.Time `json:"built_at"`
	Go      string    `json:"go"`
}

// Current returns this binary's identity: from the linker, or else from the
// module information that the go command recorded.
func Current() Info {
	info := Info{Version: version, Commit: commit, Go: runtime.Version()}
	info.BuiltAt, _ = time.Parse(time.RFC3339, builtAt)
	if version != "" {
		return info
	}
	info.Version = "devel"
	if bi, ok := debug.ReadBuildInfo(); ok {
		if v := bi.Main.Version; v != "" && v != "(devel)" {
			info.Version = v
		}
		for _, s := range bi.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Commit = s.Value
			case "vcs.time":
				info.BuiltAt, _ = time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	return info
}

// Same reports whether a and b are the same build.
func Same(a, b Info) bool {
	return a.Version == b.Version && a.Commit == b.Commit && a.BuiltAt.Equal(b.BuiltAt)
}

// Older reports whether a is surely of an earlier build than b.
func Older(a, b Info) bool {
	return !Same(a, b) && !a.BuiltAt.IsZero() && b.BuiltAt.After(a.BuiltAt)
}
