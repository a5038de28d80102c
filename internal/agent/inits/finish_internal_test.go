package inits

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheLastProgramIsPlacedOnceAndRuns(t *testing.T) {
	dir := t.TempDir()
	program, root := filepath.Join(dir, "program"), filepath.Join(dir, "initramfs")
	if err := os.WriteFile(program, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := placeShutdown(program, root); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, []byte("another"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	placed := filepath.Join(root, "shutdown")
	info, err := os.Stat(placed)
	if err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if data, err := os.ReadFile(placed); err != nil || string(data) != "one" {
		t.Errorf("%q, %v: what an image has must stay", data, err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	if IsShutdown("/shutdown") {
		t.Error("a process that is not PID 1 is the last one")
	}
}
