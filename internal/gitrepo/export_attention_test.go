package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// TestAttributesAreNamed: whatever makes git run a program, or write other bytes
// than those of the patch, and however it is hidden, there is a note.
func TestAttributesAreNamed(t *testing.T) {
	const more = "other lines of .gitattributes files"
	known := "*.bin filter=known\n"
	tests := map[string]struct {
		base, now string
		want      []string
	}{
		"a filter":                     {known, known + "x filter=new\n", []string{"makes git run a filter, if you have one with that name: x filter=new"}},
		"nothing new":                  {known, "# filter=no\n* text eol=lf\n" + known, nil},
		"a program for diffs":          {known, "x diff=new\n", []string{"makes git diff run a program"}},
		"a program for merges":         {known, "x\tmerge=new\n", []string{"makes git merge run a program"}},
		"an encoding":                  {known, "x working-tree-encoding=IBM037\n", []string{"makes git write bytes that differ from the patch"}},
		"after a carriage return":      {known, "x\rfilter=new\n", []string{"run a filter"}},
		"a macro that was there":       {"[attr]big filter=known\n", "[attr]big filter=known\nx big\n", []string{"run a filter, if you have one with that name: x big"}},
		"behind a long line":           {known, strings.Repeat("#", 70<<10) + "\nx filter=new\n", []string{"x filter=new", more}},
		"in a long line":               {known, strings.Repeat("#", 70<<10) + " filter=new\n", []string{more}},
		"behind many that were there":  {strings.Repeat(known, 150), strings.Repeat(known, 150) + "x filter=new\n", []string{"x filter=new"}},
		"behind copies of one of them": {known, strings.Repeat(known, 150) + "x filter=new\n", []string{"x filter=new"}},
		"many":                         {known, numbered("f%d filter=new\n", 500), []string{"f0 filter=new", more}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gittest.Require(t)
			t.Setenv("HOME", t.TempDir())
			l := newLoop(t, t.TempDir())
			gittest.Put(l.host, ".gitattributes", test.base)
			gittest.Git(t, l.host, "add", "-A")
			gittest.Git(t, l.host, "commit", "-q", "-m", "first")
			if err := l.prepare(workspace.Shallow, false); err != nil {
				t.Fatal(err)
			}
			l.noGit = true // git itself refuses long lines
			gittest.Put(l.guest, ".gitattributes", test.now)
			checkNotes(t, l, test.want)
		})
	}
}

// TestManyFilesOfAttributes: not each of them is looked at, and that is told.
func TestManyFilesOfAttributes(t *testing.T) {
	l := prepared(t)
	for i := range 250 {
		gittest.Put(l.guest, fmt.Sprintf("%d/.gitattributes", i), "x text\n")
	}
	checkNotes(t, l, []string{"were not checked"})
}

// TestModesAreListed: what a file becomes is in the list, as is that it changes.
func TestModesAreListed(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "run", "one\n")
	err := errors.Join(
		os.Chmod(filepath.Join(l.guest, "a"), 0o755), os.Chmod(filepath.Join(l.guest, "run"), 0o755), os.Symlink("/etc/passwd", filepath.Join(l.guest, "l")),
	)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.collect(false)
	if err != nil {
		t.Fatal(err)
	}
	files, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]string{}
	for _, f := range files {
		modes[f.Path] = f.OldMode + ">" + f.Mode
	}
	gittest.Same(t, "modes", map[string]string{"a": "100644>100755", "run": ">100755", "l": ">120000"}, modes)
}

func checkNotes(t *testing.T, l *loop, want []string) {
	t.Helper()
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	req := l.write(l.sent.BaseTree, got.Tree)
	req.Format, req.File = workspace.Patch, file+".again"
	res, err := l.git.Write(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(res.Notes, "\n")
	for _, text := range want {
		if !strings.Contains(notes, text) {
			t.Errorf("the notes lack %q:\n%s", text, notes)
		}
	}
	if len(res.Notes) > 21 || want == nil && len(res.Notes) > 0 {
		t.Errorf("%d notes:\n%s", len(res.Notes), notes)
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
