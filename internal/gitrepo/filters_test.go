package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/workspace"
)

func TestFiltersThatTheGuestLacksAreNamed(t *testing.T) {
	requireGit(t)
	t.Setenv("HOME", t.TempDir())
	l := newLoop(t, t.TempDir())
	git(t, l.host, "config", "filter.upper.clean", "tr a-z A-Z")
	git(t, l.host, "config", "filter.upper.process", "")
	git(t, l.host, "config", "filter.unused.clean", "cat")
	put(l.host, ".gitattributes", "*.up filter=upper\n*.other filter=not-here\nplain.up -filter\n")
	for _, name := range []string{"a.up", "plain.up", "b.other"} {
		put(l.host, name, "text\n")
	}
	git(t, l.host, "add", "-A")
	git(t, l.host, "commit", "-q", "-m", "first")
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
	requireGit(t)
	t.Setenv("HOME", t.TempDir())
	for times, want := range map[int]fault.Code{1: "", 100: fault.Conflict} {
		l := newLoop(t, t.TempDir())
		put(l.host, "a", "text\n")
		put(l.host, ".gitattributes", "z filter=busy\n")
		git(t, l.host, "add", "-A")
		git(t, l.host, "commit", "-q", "-m", "first")
		put(l.host, "z", "z\n")
		script := filepath.Join(t.TempDir(), "busy")
		text := fmt.Sprintf("cat; n=$(wc -l < %[1]s.n); [ $n -ge %[2]d ] || echo >> %[1]s.n; [ $n -ge %[2]d ] || echo more >> %[3]s/a\n", script, times, l.host)
		if err := errors.Join(os.WriteFile(script, []byte(text), 0o600), os.WriteFile(script+".n", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		git(t, l.host, "config", "filter.busy.clean", "sh "+script)
		err := l.prepare(workspace.Shallow, false)
		if want == "" && err != nil || want != "" && (!errors.Is(err, want) || !strings.Contains(fault.HintOf(err), ".git/info/exclude")) {
			t.Errorf("changed %d times: %v, hint %q; want %q", times, err, fault.HintOf(err), want)
		}
		if want == "" {
			same(t, "in the guest", files(t, l.host), files(t, l.guest))
		}
	}
}

func TestARepositoryOfAnotherUser(t *testing.T) {
	said := "fatal: detected dubious ownership in repository at '/src'\nTo add an exception for this directory, call:\n\n" +
		"\tgit config --global --add safe.directory /src\n"
	err := gitrepo.AsFault(&gittree.Error{Verb: "rev-parse", Status: 128, Stderr: said}, "read %s", "/src")
	if !errors.Is(err, fault.PermissionDenied) || err.Error() != "read /src: it belongs to another user, so git does not trust it" ||
		fault.HintOf(err) != "git config --global --add safe.directory /src" {
		t.Errorf("got %v (%s), hint %q", err, fault.CodeOf(err), fault.HintOf(err))
	}
}
