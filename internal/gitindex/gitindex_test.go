package gitindex_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/gitindex"
)

// real returns an index that git wrote, and its work tree.
func real(t testing.TB, format string) (dir string, data []byte) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip("git is not installed")
	}
	dir = t.TempDir()
	for _, f := range []struct {
		name string
		mode os.FileMode
	}{{"a", 0o644}, {"script", 0o755}, {"caf\xe9", 0o644}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte("x"), f.mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-q", "--object-format=" + format},
		{"add", "-A"},
		{"update-index", "--skip-worktree", "script"},
		{"write-tree"},
	} {
		cmd := exec.CommandContext(context.Background(), "git", append([]string{"-c", "index.version=2"}, args...)...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, ".git", "index"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, data
}

func TestGitsOwnIndex(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			dir, data := real(t, format)
			x, err := gitindex.Parse(data, gitindex.HashSize(format))
			if err != nil {
				t.Fatal(err)
			}
			want := []struct {
				path string
				mode uint32
				skip bool
			}{{"a", gitindex.ModeFile, false}, {"caf\xe9", gitindex.ModeFile, false}, {"link", gitindex.ModeSymlink, false}, {"script", gitindex.ModeExecutable, true}}
			if len(x.Entries) != len(want) {
				t.Fatalf("entries: %+v", x.Entries)
			}
			for i, w := range want {
				e := x.Entries[i]
				if e.Path != w.path || e.Mode != w.mode || e.SkipWorktree != w.skip {
					t.Errorf("entry %d = %+v, want %+v", i, e, w)
				}
				var st syscall.Stat_t
				if err := syscall.Lstat(filepath.Join(dir, w.path), &st); err != nil {
					t.Fatal(err)
				}
				if !x.UpToDate(i, &st) {
					t.Errorf("%s is not up to date", w.path)
				}
				x.Mark(i, true)
				if x.UpToDate(i, &st) || !x.Marked(i) {
					t.Errorf("%s was not marked", w.path)
				}
				x.Refresh(i, &st)
				if !x.UpToDate(i, &st) || x.Marked(i) {
					t.Errorf("%s was not refreshed", w.path)
				}
				st.Size++
				if x.UpToDate(i, &st) {
					t.Errorf("%s has grown and is up to date", w.path)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, ".git", "index"), x.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "git", "diff-files", "--quiet")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("git does not believe the index: %v: %s", err, out)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	_, data := real(f, "sha1")
	f.Add(data)
	f.Add(gitindex.Empty(20).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := gitindex.Parse(data, 20)
		if err != nil {
			return
		}
		for i := range x.Entries {
			x.Mark(i, i%2 == 0)
		}
		again, err := gitindex.Parse(x.Bytes(), 20)
		if err != nil || len(again.Entries) != len(x.Entries) {
			t.Errorf("what was written is not read: %v", err)
		}
	})
}
