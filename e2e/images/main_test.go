//go:build e2e

// Package images pulls images that other tools made and pushed from a registry that
// others wrote, and holds the filesystems against what other tools unpack. No VM
// starts.
package images

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// patience bounds one program, and one pull.
const patience = 3 * time.Minute

// need skips, or fails where a skip is none, if a program is missing, or root.
func need(t *testing.T, programs ...string) {
	t.Helper()
	why := ""
	if os.Geteuid() != 0 {
		why = "owners and devices are made as root"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			why = p + " is not installed"
		}
	}
	switch {
	case why == "":
	case os.Getenv("BANGER_TEST_REQUIRE") == "1":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &out)
	}
}

// check is t.Fatal for an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
