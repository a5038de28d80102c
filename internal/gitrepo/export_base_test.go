package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

func TestBasesThatAUserMayName(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "a", "two\n")
	gittest.Git(t, l.guest, "checkout", "-q", "-b", l.sent.BaseTree[:12]) // which must not be taken for the tree
	gittest.Git(t, l.guest, "commit", "-qam", "theirs")
	if _, _, err := l.export(workspace.Bundle, l.sent.HeadCommit); err != nil {
		t.Fatal(err)
	}
	whole, _, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	short, _, err := l.export(workspace.Patch, l.sent.BaseTree[:12])
	if err != nil || gittest.Read(t, short) != gittest.Read(t, whole) || gittest.Read(t, whole) == "" {
		t.Errorf("the beginning of the tree's name: %v; want what its whole name gives", err)
	}
	injected := filepath.Join(t.TempDir(), "injected")
	for base, want := range map[string]fault.Code{
		"--output=" + injected: fault.Invalid, "--no-index": fault.Invalid, "HEAD": fault.Invalid, "abcd..ef01": fault.Invalid,
		"": fault.Invalid, "abc": fault.Invalid, "deadbeefdeadbeef": fault.NotFound, "0123456789012345678901234567890123456789": fault.NotFound,
	} {
		for _, format := range []workspace.Format{workspace.Patch, workspace.Mbox, workspace.Bundle} {
			if _, _, err := l.export(format, base); !errors.Is(err, want) {
				t.Errorf("base %q, %s: %v; want %s", base, format, err, want)
			}
		}
	}
	if _, err := os.Lstat(injected); err == nil {
		t.Error("a base was taken for an option of git's")
	}
}

// What people type for a base, in a work tree that was sent and in one that was not.
func TestRevisionsAreResolvedOnTheHostAndInTheGuest(t *testing.T) {
	l := prepared(t)
	first := l.sent.HeadCommit
	gittest.Git(t, l.host, "tag", "-a", "-m", "t", "v1", first)
	gittest.Git(t, l.host, "commit", "-q", "--allow-empty", "-m", "later")
	later := strings.TrimSpace(gittest.Git(t, l.host, "rev-parse", "HEAD"))
	gittest.Git(t, l.guest, "checkout", "-q", "-b", "work")
	for _, name := range []string{"1", "2"} {
		gittest.Git(t, l.guest, "commit", "-q", "--allow-empty", "-m", name)
	}
	got, err := l.collect(true)
	if err != nil {
		t.Fatal(err)
	}
	guest := func(rev string) string { return strings.TrimSpace(gittest.Git(t, l.guest, "rev-parse", rev)) }
	for _, tc := range []struct {
		revision, top string
		want          string
		code          fault.Code
	}{
		{first, l.host, first, ""},
		{first[:10], l.host, first, ""},
		{"HEAD~1", l.host, first, ""},
		{"v1", l.host, first, ""},
		{"main^", l.host, first, ""},
		{"main@{0}", l.host, "", fault.NotFound}, // there, and not sent
		{"main", l.host, "", fault.NotFound},
		{later, l.host, later, ""}, // whether it is there is found out later
		{"HEAD", "", got.Head, ""},
		{"HEAD", l.host, "", fault.NotFound}, // the guest's is not what is meant
		{"@~2", "", first, ""},
		{"work^", l.host, guest("work^"), ""},
		{"work~9", l.host, "", fault.NotFound},
		{"nothing", l.host, "", fault.NotFound},
		{"--output=x", l.host, "", fault.Invalid},
		{":/first", l.host, "", fault.Invalid},
		{"HEAD:a", l.host, "", fault.Invalid},
		{"HEAD..main", l.host, "", fault.Invalid},
		{"HEAD\n--all", l.host, "", fault.Invalid},
		{"", l.host, "", fault.Invalid},
	} {
		id, err := l.git.Resolve(t.Context(), workspace.ResolveRequest{
			Revision: tc.revision, Vault: l.vault, Top: tc.top, Head: got.Head, Branch: got.Branch,
		})
		if id != tc.want || (tc.code == "") != (err == nil) || tc.code != "" && !errors.Is(err, tc.code) {
			t.Errorf("%q (host %v) = %q, %v; want %q %s", tc.revision, tc.top != "", id, err, tc.want, tc.code)
		}
	}
}
