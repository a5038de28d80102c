package inits

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
)

// named is the init that the image's command is, where it is one: systemd and others
// by the names that they have, and s6-overlay's /init by what comes with it. Another
// /init is Unknown: many are scripts that end.
func (t tree) named(program agentrpc.Program) Found {
	if len(program.Argv) == 0 {
		return Found{}
	}
	path := t.lookup(program.Argv[0])
	target, ok := t.program(path)
	if !ok {
		return Found{}
	}
	found := Found{Path: path, Argv: program.Argv, StopSignal: program.StopSignal}
	switch {
	case path == "/init" && t.hasS6():
		found.Flavour, found.Shutdown = S6, S6
	case slices.Contains([]string{"init", "systemd", "openrc-init", "runit-init", "runit"}, filepath.Base(path)):
		found.Flavour, found.Shutdown = t.identify(target)
	default:
		return Found{}
	}
	return found
}

// lookup is the path of a command in the tree; empty: none.
func (t tree) lookup(name string) string {
	if strings.Contains(name, "/") {
		return filepath.Join("/", name)
	}
	for _, dir := range programDirs() {
		path := filepath.Join(dir, name)
		if _, ok := t.program(path); ok {
			return path
		}
	}
	return ""
}

func programDirs() []string { return []string{"/sbin", "/usr/sbin", "/bin", "/usr/bin"} }

// hasS6 reports whether s6-overlay is there, of version 3, or 1 and 2.
func (t tree) hasS6() bool {
	for _, path := range []string{"/package/admin/s6-overlay/libexec/preinit", "/command/s6-svscan", "/bin/s6-svscan", "/usr/bin/s6-svscan"} {
		if _, ok := t.program(path); ok {
			return true
		}
	}
	return false
}
