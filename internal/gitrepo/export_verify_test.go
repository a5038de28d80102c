package gitrepo_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// Whatever is in an export beside, or instead of, what was shown: it is refused.
func TestAnExportThatIsAnotherChangeIsRefused(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "a", "two\n")
	gittest.Put(l.guest, "b", "b\n")
	gittest.Git(t, l.guest, "add", "-A")
	gittest.Git(t, l.guest, "commit", "-q", "-m", "work")
	const more = "diff --git a/evil b/evil\nnew file mode 100644\nindex 0000000..6b584e8\n--- /dev/null\n+++ b/evil\n@@ -0,0 +1 @@\n+evil\n"
	const mail = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\n" +
		"Date: Tue, 14 Nov 2023 22:13:20 +0000\nSubject: evil\n\n---\n" + more + "-- \n2.39\n\n"
	for name, tc := range map[string]struct {
		format workspace.Format
		tamper func(text string) string
		fine   bool
	}{
		"a patch":                   {workspace.Patch, func(s string) string { return s }, true},
		"a patch with more":         {workspace.Patch, func(s string) string { return s + more }, false},
		"a patch with less":         {workspace.Patch, func(s string) string { return s[:strings.Index(s, "diff --git a/b")] }, false},
		"a patch of something else": {workspace.Patch, func(string) string { return more }, false},
		"no patch":                  {workspace.Patch, func(string) string { return "" }, false},
		"a patch that is garbage":   {workspace.Patch, func(string) string { return "garbage\n" }, false},
		"another line":              {workspace.Patch, func(s string) string { return strings.Replace(s, "+two", "+evil", 1) }, false},
		"another mode":              {workspace.Patch, func(s string) string { return strings.Replace(s, "mode 100644", "mode 100755", 1) }, false},
		"a mailbox":                 {workspace.Mbox, func(s string) string { return s }, true},
		"one mail more":             {workspace.Mbox, func(s string) string { return s + mail }, false},
		"a patch in a message":      {workspace.Mbox, func(s string) string { return strings.Replace(s, "\n---\n", "\n"+more+"\n---\n", 1) }, false},
		"no mail":                   {workspace.Mbox, func(string) string { return "" }, false},
		"a bundle":                  {workspace.Bundle, func(s string) string { return s }, true},
		"a bundle of another tip": {workspace.Bundle, func(s string) string {
			tip := strings.TrimSpace(gittest.Git(t, l.guest, "rev-parse", "HEAD"))
			return strings.Replace(s, "\n"+tip+" ", "\n"+l.sent.HeadCommit+" ", 1)
		}, false},
	} {
		file, got, err := l.export(tc.format, l.sent.HeadCommit)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(tc.tamper(gittest.Read(t, file))), 0o600); err != nil {
			t.Fatal(err)
		}
		req := l.write(l.sent.HeadCommit, got.Tree)
		req.Format = tc.format
		if err := l.git.Verify(t.Context(), req, file); (err == nil) != tc.fine || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; fine: %v", name, err, tc.fine)
		}
	}
}
