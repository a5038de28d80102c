package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// testdata is what the end-to-end tests read, and scriptsDir the scripts in it, in the
// repository and in a kit.
const (
	testdata   = "e2e/testdata"
	scriptsDir = testdata + "/script"
)

// sets are the scripts by the name of a set. full is those about what KVM, or a
// driver on it, may change; ci those of them that continuous integration has the
// time for.
func sets() map[string][]string {
	return map[string][]string{
		"full": {
			"lifecycle", "exec", "network", "ports", "egress", "pause", "reset-set", "guest-power",
			"monitor-killed", "daemon-killed", "clock", "sessions", "session-survives", "workspace", "upgrade", "streams-survive",
			"cp", "logs", "run", "files", "rescue", "inits", "doctor", "nested",
		},
		"ci": {"lifecycle", "exec", "pause", "guest-power", "monitor-killed", "clock"},
	}
}

// selection is the scripts that run, and those that do not.
type selection struct {
	names, left []string
}

// chosen is the named set, or the scripts that are named.
func chosen(set, dir string) (selection, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		return selection{}, fmt.Errorf("no scripts in %s: %w", dir, err)
	}
	want, ok := sets()[set]
	if !ok {
		want = strings.Split(set, ",")
	}
	var s selection
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		if slices.Contains(want, name) {
			s.names = append(s.names, name)
		} else {
			s.left = append(s.left, name)
		}
	}
	for _, name := range want {
		if !slices.Contains(s.names, name) {
			return selection{}, fmt.Errorf("there is no script %q", name)
		}
	}
	return s, nil
}

// without is the selection without these scripts, and which of them were in it.
func (s selection) without(names []string) (rest selection, dropped []string) {
	rest.left = s.left
	for _, name := range s.names {
		if slices.Contains(names, name) {
			dropped = append(dropped, name)
		} else {
			rest.names = append(rest.names, name)
		}
	}
	return rest, dropped
}

// needs are what the scripts want of a kit.
type needs struct {
	stored []string // fixtures, as banger stores them
	next   bool     // a newer build
}

// needs reads the directives of the scripts in dir.
func (s selection) needs(dir string) (needs, error) {
	n := needs{stored: []string{"busybox", "kernel"}} // the reference boot's
	for _, name := range s.names {
		text, err := os.ReadFile(filepath.Join(dir, name+".txtar"))
		if err != nil {
			return needs{}, err
		}
		for line := range strings.Lines(string(text)) {
			if list, ok := strings.CutPrefix(line, "# needs: "); ok {
				n.stored = append(n.stored, strings.Fields(list)...)
			}
			n.next = n.next || strings.HasPrefix(line, "# next-build: ")
		}
	}
	slices.Sort(n.stored)
	n.stored = slices.Compact(n.stored)
	return n, nil
}
