package gitrepo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/workspace"
)

// The loop of a review: apply, more work, apply. The second patch is against
// what the first one left.
func TestMoreWorkIsAppliedAfterTheFirst(t *testing.T) {
	l := prepared(t)
	base := l.sent.BaseTree
	for _, work := range []string{"two\n", "two\nthree\n", "four\n"} {
		put(l.guest, "a", work)
		put(l.guest, "new", work)
		file, got, err := l.export(workspace.Patch, base)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := l.git.Diff(t.Context(), l.write(base, got.Tree))
		if err != nil {
			t.Fatal(err)
		}
		req := workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}
		if res, err := l.git.Apply(t.Context(), req); err != nil || len(res.Conflicts) > 0 || res.Already {
			t.Fatalf("apply of %q = %+v, %v", work, res, err)
		}
		same(t, "after the patch", files(t, l.guest), files(t, l.host))
		for _, check := range []bool{true, false} {
			req.CheckOnly = check
			if res, err := l.git.Apply(t.Context(), req); err != nil || !res.Already || len(res.Conflicts) > 0 {
				t.Errorf("once more (check %v) = %+v, %v; want that it is there already", check, res, err)
			}
		}
		base = got.Tree
	}
}

func TestHalfOfAPatchIsNotAllOfIt(t *testing.T) {
	l := prepared(t)
	put(l.guest, "a", "two\n")
	put(l.guest, "new", "x\n")
	req := l.applyRequest(t)
	put(l.host, "a", "two\n") // by hand
	res, err := l.git.Apply(t.Context(), req)
	if err != nil || res.Already || strings.Join(res.Conflicts, " ") != "a" {
		t.Errorf("apply = %+v, %v; want a in the way", res, err)
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
				git(t, l.host, "config", "filter."+driver+"."+setting, value)
			}
			put(l.guest, ".gitattributes", "new.txt filter="+driver+"\n")
			put(l.guest, "new.txt", "as in the patch\n")
			file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
			if err != nil {
				t.Fatal(err)
			}
			res, err := l.git.Write(t.Context(), workspace.WriteRequest{
				Vault: l.vault, Base: l.sent.BaseTree, Tree: got.Tree, Format: workspace.Patch, File: file + ".again",
			})
			if want := ".gitattributes makes git run a filter, if you have one of that name: new.txt filter=" + driver; err != nil ||
				strings.Join(res.Notes, "; ") != want {
				t.Errorf("notes %q, %v; want %q", res.Notes, err, want)
			}
			l.applied(t)
			if _, err := os.Lstat(ran); err == nil {
				t.Error("the filter ran")
			}
			same(t, "after the patch", files(t, l.guest), files(t, l.host))
		})
	}
}
