package cli

import (
	"testing"

	"github.com/bangervm/banger/internal/api"
)

func TestFileLines(t *testing.T) {
	for want, f := range map[string]api.ExportedFile{
		"A a +1 -0":                      {Path: "a", Status: "added", Mode: "100644", Insertions: 1},
		"A a +1 -0 (executable)":         {Path: "a", Status: "added", Mode: "100755", Insertions: 1},
		"A a +1 -0 (symbolic link)":      {Path: "a", Status: "added", Mode: "120000", Insertions: 1},
		"A a +1 -0 (submodule)":          {Path: "a", Status: "added", Mode: "160000", Insertions: 1},
		"M a +0 -0 (executable)":         {Path: "a", Status: "modified", OldMode: "100644", Mode: "100755"},
		"M a +0 -0 (not executable)":     {Path: "a", Status: "modified", OldMode: "100755", Mode: "100644"},
		"M a +1 -1":                      {Path: "a", Status: "modified", OldMode: "100755", Mode: "100755", Insertions: 1, Deletions: 1},
		"T a +1 -1 (symbolic link)":      {Path: "a", Status: "type_changed", OldMode: "100644", Mode: "120000", Insertions: 1, Deletions: 1},
		"R a -> b (binary) (executable)": {Path: "b", From: "a", Status: "renamed", OldMode: "100644", Mode: "100755", Binary: true},
		"D a +0 -1":                      {Path: "a", Status: "deleted", OldMode: "120000", Deletions: 1},
		"M a +0 -1":                      {Path: "a", Status: "modified", Deletions: 1}, // of a daemon that does not tell
	} {
		if got := fileLine(f); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}
