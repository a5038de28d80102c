package gitrepo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// The guest's git may fail; the files are there, and so is the base.
func TestWorkInARepositoryThatGitDoesNotRead(t *testing.T) {
	for name, ruin := range map[string]func(t *testing.T, gitDir string){
		"index":   func(_ *testing.T, dir string) { gittest.Put(dir, "index", "garbage") },
		"config":  func(_ *testing.T, dir string) { gittest.Put(dir, "config", "[bad") },
		"objects": func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "objects", "pack")) },
		"format": func(_ *testing.T, dir string) {
			gittest.Put(dir, "config", "[core]\n\trepositoryformatversion = 9\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := prepared(t)
			gittest.Put(l.guest, "a", "two\n")
			gittest.Put(l.guest, "new", "new\n")
			ruin(t, filepath.Join(l.guest, ".git"))
			_, got, err := l.export(workspace.Patch, l.sent.BaseTree)
			if err != nil || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "git in the guest cannot read the repository") {
				t.Fatalf("%+v, %v; want a note", got, err)
			}
			if !got.Elsewhere.Unread {
				t.Errorf("elsewhere %+v; nobody knows that there are no other branches", got.Elsewhere)
			}
			l.applied(t)
			gittest.Same(t, "on the host", gittest.Files(t, l.guest), gittest.Files(t, l.host))
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// Git takes none of these names, and says so in passing.
func TestNamesThatGitTakesForAGitDirectoryAreNotLeftOutSilently(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, ".GIT/config", "x\n")
	gittest.Put(l.guest, "new", "new\n")
	_, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], ".GIT/config") {
		t.Errorf("from the guest: %+v, %v; want a note", got, err)
	}
	gittest.Put(l.host, "sub/.Git/config", "x\n")
	if err := l.prepare(workspace.Shallow, true); err != nil {
		t.Fatal(err)
	}
	if notes := l.sent.Notes; len(notes) != 1 || !strings.Contains(notes[0], "sub/.Git/config") {
		t.Errorf("from the host: notes %q", notes)
	}
}
