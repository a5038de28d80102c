// Package ext4test makes ext4 filesystems for tests, with e2fsprogs and without root.
package ext4test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/ext4"
)

// Program finds a program of e2fsprogs, also where only root's PATH leads. Without it
// the test is skipped.
func Program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatalf("%s is missing", name)
	}
	t.Skipf("%s is missing", name)
	return ""
}

// Make makes a filesystem of 32 MiB with what debugfs's commands put into it, and
// returns its file.
func Make(t testing.TB, commands ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.ext4")
	run(t, Program(t, "mkfs.ext4"), "-q", "-F", "-b", "4096", "-I", "256", "-m", "0", path, "32M")
	Debugfs(t, path, commands...)
	return path
}

// Debugfs carries commands out on a filesystem. An error of one fails the test.
func Debugfs(t testing.TB, path string, commands ...string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "commands")
	if err := os.WriteFile(script, []byte(strings.Join(commands, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, Program(t, "debugfs"), "-w", "-f", script, path)
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out.String())
	}
	for line := range strings.Lines(out.String()) { // debugfs's status says nothing
		if !strings.HasPrefix(line, "debugfs") && !strings.HasPrefix(line, "Allocated") && strings.Contains(line, ": ") {
			t.Fatalf("%s: %s", name, line)
		}
	}
}

// Open opens a filesystem until the test ends.
func Open(t testing.TB, path string) *ext4.FS {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	fs, err := ext4.Open(t.Context(), f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return fs
}
