// Package gittest makes git work trees for tests, and compares them.
package gittest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Require skips a test where git is not installed, or fails it when all must run.
func Require(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip("git is not installed")
	}
}

// Failer is what testing.T and rapid.T have in common.
type Failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// Git runs git in dir with an environment that depends on nothing here.
func Git(t Failer, dir string, args ...string) string {
	t.Helper()
	out, err := Try(dir, args...)
	if err != nil {
		t.Fatalf("git %q in %s: %v\n%s", args, dir, err, out)
	}
	return out
}

// Try is Git, with its failure as an error.
func Try(dir string, args ...string) (string, error) {
	cmd := Command(dir, args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TryIn gives git an input, and returns its output alone.
func TryIn(dir, input string, args ...string) (string, error) {
	cmd := Command(dir, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	return string(out), err
}

// Command is Git before it runs.
func Command(dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.org",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000", "GIT_CONFIG_COUNT=3",
		"GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always",
		"GIT_CONFIG_KEY_1=init.defaultBranch", "GIT_CONFIG_VALUE_1=main",
		"GIT_CONFIG_KEY_2=advice.detachedHead", "GIT_CONFIG_VALUE_2=false",
	}
	return cmd
}

// Files reads what git keeps of a work tree: each path with its kind and content.
func Files(t Failer, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || d.Name() == ".git" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		info, err := d.Info()
		switch {
		case err != nil || d.IsDir():
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			all[rel] = "link " + target
			return err
		}
		data, err := os.ReadFile(path)
		all[rel] = fmt.Sprintf("%v %s", info.Mode()&0o100 != 0, data)
		return err
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all
}

// Same fails the test unless two work trees have the same files.
func Same(t Failer, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// Read returns what is in a file.
func Read(t Failer, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(data)
}

// Put writes a file with the directories that lead to it, unless something is in the way.
func Put(dir, name, content string) {
	path := filepath.Join(dir, name)
	if os.MkdirAll(filepath.Dir(path), 0o755) != nil {
		return // a file is in the way
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return
	}
	_ = os.WriteFile(path, []byte(content), 0o644)
}

// Symlink makes a link in the place of what is there.
func Symlink(t Failer, dir, name, target string) {
	t.Helper()
	_ = os.Remove(filepath.Join(dir, name))
	if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
		t.Fatalf("%v", err)
	}
}

// Copy puts a copy of from in the place of to.
func Copy(t Failer, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatalf("%v", err)
	}
	if out, err := exec.CommandContext(context.Background(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
