package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

func TestFiltersThatTheGuestLacksAreNamed(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	l := newLoop(t, t.TempDir())
	gittest.Git(t, l.host, "config", "filter.upper.clean", "tr a-z A-Z")
	gittest.Git(t, l.host, "config", "filter.upper.process", "")
	gittest.Git(t, l.host, "config", "filter.unused.clean", "cat")
	gittest.Put(l.host, ".gitattributes", "*.up filter=upper\n*.other filter=not-here\nplain.up -filter\n")
	for _, name := range []string{"a.up", "plain.up", "b.other"} {
		gittest.Put(l.host, name, "text\n")
	}
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "commit", "-q", "-m", "first")
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Fatal(err)
	}
	if n := l.sent.Notes; len(n) != 1 || !strings.Contains(n[0], "no filter upper: a.up are") {
		t.Errorf("notes %q; want one, on a.up", n)
	}
	if want, got := status(t, l.host), status(t, l.guest); want != got {
		t.Errorf("status\n%q\nwant\n%q", got, want)
	}
}

// The filter of one file changes another one that has been read.
func TestAWorkTreeThatChangesIsReadAgain(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	for times, want := range map[int]fault.Code{1: "", 100: fault.Conflict} {
		l := newLoop(t, t.TempDir())
		gittest.Put(l.host, "a", "text\n")
		gittest.Put(l.host, ".gitattributes", "z filter=busy\n")
		gittest.Git(t, l.host, "add", "-A")
		gittest.Git(t, l.host, "commit", "-q", "-m", "first")
		gittest.Put(l.host, "z", "z\n")
		script := filepath.Join(t.TempDir(), "busy")
		text := fmt.Sprintf("cat; n=$(wc -l < %[1]s.n); [ $n -ge %[2]d ] || echo >> %[1]s.n; [ $n -ge %[2]d ] || echo more >> %[3]s/a\n", script, times, l.host)
		if err := errors.Join(os.WriteFile(script, []byte(text), 0o600), os.WriteFile(script+".n", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		gittest.Git(t, l.host, "config", "filter.busy.clean", "sh "+script)
		err := l.prepare(workspace.Shallow, false)
		if want == "" && err != nil || want != "" && (!errors.Is(err, want) || !strings.Contains(fault.HintOf(err).String(), ".git/info/exclude")) {
			t.Errorf("changed %d times: %v, hint %q; want %q", times, err, fault.HintOf(err).String(), want)
		}
		if want == "" {
			gittest.Same(t, "in the guest", gittest.Files(t, l.host), gittest.Files(t, l.guest))
		}
	}
}

// What a patch says of filters runs none of the user's programs, and is named.
func TestApplyRunsNoFilter(t *testing.T) {
	for driver, settings := range map[string][]string{
		"one":       {"smudge"},
		"two":       {"process"},
		"three":     {"smudge", "process", "required"},
		"with.dots": {"smudge"},
	} {
		t.Run(driver, func(t *testing.T) {
			l := prepared(t)
			ran := filepath.Join(t.TempDir(), "ran")
			for _, setting := range settings {
				value := "touch " + ran + "; false"
				if setting == "required" {
					value = "true"
				}
				gittest.Git(t, l.host, "config", "filter."+driver+"."+setting, value)
			}
			gittest.Put(l.guest, ".gitattributes", "new.txt filter="+driver+"\n")
			gittest.Put(l.guest, "new.txt", "as in the patch\n")
			file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
			if err != nil {
				t.Fatal(err)
			}
			res, err := l.git.Write(t.Context(), workspace.WriteRequest{
				Vault: l.vault, Base: l.sent.BaseTree, Tree: got.Tree, Format: workspace.Patch, File: file + ".again",
			})
			if want := ".gitattributes makes git run a filter, if you have one with that name: new.txt filter=" + driver; err != nil ||
				strings.Join(res.Notes, "; ") != want {
				t.Errorf("notes %q, %v; want %q", res.Notes, err, want)
			}
			l.applied(t)
			if _, err := os.Lstat(ran); err == nil {
				t.Error("the filter ran")
			}
			gittest.Same(t, "after the patch", gittest.Files(t, l.guest), gittest.Files(t, l.host))
		})
	}
}
