package gitrepo_test

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// What people have in their git configuration, or in the environment when a hook
// runs banger, changes what git prints and how it applies a patch. It changes
// neither what is sent nor what comes back.
func TestTheUsersConfigurationChangesNothing(t *testing.T) {
	gittest.Require(t)
	for name, c := range map[string]struct {
		config string
		env    map[string]string // "@" is the host's repository
		mbox   bool              // is tried too
	}{
		"no prefixes":    {mbox: true, config: "[diff]\nnoprefix = true\n[format]\nnoprefix = true\n"},
		"other prefixes": {config: "[diff]\nmnemonicPrefix = true\nsrcPrefix = x/\ndstPrefix = y/\n"},
		"how a diff is printed": {config: "[diff]\nexternal = false\nrenames = copies\nalgorithm = patience\norderFile = /dev/null\ncontext = 0\ninterHunkContext = 9\n" +
			"[color]\nui = always\ndiff = always\nstatus = always\n[core]\npager = false\n[status]\nshowUntrackedFiles = no\nrelativePaths = false\n[core]\nquotePath = true\n"},
		"whitespace":       {config: "[apply]\nwhitespace = error\nignoreWhitespace = change\n[core]\nwhitespace = trailing-space,tab-in-indent,cr-at-eol\n"},
		"whitespace fixed": {config: "[apply]\nwhitespace = fix\n[core]\nautocrlf = false\neol = crlf\nsafecrlf = true\n"},
		"how commits are printed": {mbox: true, config: "[format]\npretty = oneline\nsubjectPrefix = X\nattach = x\nsignature = s\nnumbered = true\ncoverLetter = true\nsignOff = true\nthread = true\nuseAutoBase = true\n" +
			"[log]\nshowSignature = true\ndecorate = full\ndate = relative\nshowRoot = false\n[commit]\ngpgSign = true\n[gpg]\nprogram = false\n"},
		"what git keeps and runs": {config: "[core]\nhooksPath = /nonexistent\nfsmonitor = true\nexcludesFile = /dev/null\nattributesFile = /nonexistent\nuseReplaceRefs = false\ncommitGraph = false\nmultiPackIndex = false\n" +
			"[init]\ntemplateDir = /nonexistent\ndefaultObjectFormat = sha256\n[include]\npath = /nonexistent\n[index]\nversion = 4\n[feature]\nmanyFiles = true\n[submodule]\nrecurse = true\n"},
		"a hook's": {env: map[string]string{
			"GIT_DIR": "@/.git", "GIT_WORK_TREE": "@/sub", "GIT_INDEX_FILE": ".git/index.lock", "GIT_PREFIX": "sub/",
			"GIT_OBJECT_DIRECTORY": "/nonexistent", "GIT_COMMON_DIR": "/nonexistent", "GIT_CEILING_DIRECTORIES": "/", "GIT_NAMESPACE": "x",
		}},
		"another repository's hook's": {env: map[string]string{"GIT_DIR": "/nonexistent", "GIT_QUARANTINE_PATH": "/x", "GIT_LITERAL_PATHSPECS": "0", "GIT_GLOB_PATHSPECS": "1"}},
		"a debugger's, abroad": {env: map[string]string{
			"GIT_TRACE": "2", "GIT_TRACE2": "1", "GIT_DIFF_OPTS": "-u0", "GIT_EXTERNAL_DIFF": "false", "GIT_PAGER": "false", "LANG": "de_DE.UTF-8",
			"LANGUAGE": "es", "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Chatham", "COLUMNS": "10", "TERM": "dumb", "POSIXLY_CORRECT": "1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			gittest.Put(home, ".gitconfig", "[user]\nname = U\nemail = u@example.org\n"+c.config)
			formats := []workspace.Format{workspace.Patch}
			if c.mbox {
				formats = append(formats, workspace.Mbox)
			}
			for _, format := range formats {
				l := newLoop(t, t.TempDir())
				gittest.Put(l.host, "sub/a", "one \n\ttwo\nthree\n")
				gittest.Put(l.host, "ä\tö", "x\n")
				gittest.Git(t, l.host, "add", "-A")
				gittest.Git(t, l.host, "commit", "-qm", "first")
				gittest.Put(l.host, "sub/a", "one \n\ttwo \nthree\n")
				gittest.Put(l.host, "new", "untracked\n")
				for key, value := range c.env {
					t.Setenv(key, strings.ReplaceAll(value, "@", l.host))
				}
				before := gittest.Files(t, l.host)
				if err := l.prepare(workspace.FullCopy, false); err != nil {
					t.Fatal(err)
				}
				gittest.Same(t, "the guest has other files", before, gittest.Files(t, l.guest))
				gittest.Put(l.guest, "sub/a", "one \n\ttwo \t\nthree\n \t four  \n")
				gittest.Put(l.guest, "crlf", "a\r\nb \r\n")
				gittest.Put(l.guest, "ä\tö", "x\ny")
				gittest.Git(t, l.guest, "mv", "ä\tö", "moved")
				gittest.Git(t, l.guest, "add", "-A")
				gittest.Git(t, l.guest, "commit", "-qm", "second")
				gittest.Put(l.guest, "uncommitted", "z\x00\n")
				base := l.sent.BaseTree
				if format != workspace.Patch {
					base = l.sent.HeadCommit
				}
				file, got, err := l.export(format, base)
				if err != nil {
					t.Fatal(err)
				}
				if format == workspace.Mbox {
					gittest.Git(t, l.host, "stash", "-q", "-u")
					gittest.Git(t, l.host, "am", "-q", "--keep-cr", file)
					gittest.Same(t, "the mailbox has other files", gittest.Files(t, l.guest), gittest.Files(t, l.host))
				}
				if format != workspace.Patch {
					continue
				}
				changes, err := l.git.Diff(context.Background(), l.write(l.sent.BaseTree, got.Tree))
				if err != nil {
					t.Fatal(err)
				}
				if conflicts, err := apply(context.Background(), l.applier, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}); err != nil || conflicts != nil {
					t.Fatalf("apply: %q, %v\n%s", conflicts, err, gittest.Read(t, file))
				}
				gittest.Same(t, "the host has other files", gittest.Files(t, l.guest), gittest.Files(t, l.host))
			}
		})
	}
}

// A patch that says in .gitattributes how lines end leaves the files as git checks
// them out with that .gitattributes, those in the same patch too.
func TestAppliedFilesHaveTheLineEndsOfTheNewAttributes(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	for name, c := range map[string]struct {
		autocrlf, before, after string
		dir                     string // of .gitattributes
		uncommitted             bool   // before is
	}{
		"LF for a directory":   {autocrlf: "true", before: "", after: "lf/** text eol=lf\n"},
		"CRLF for scripts":     {autocrlf: "false", before: "", after: "*.bat text eol=crlf\n"},
		"all are binary":       {autocrlf: "true", before: "", after: "* -text\n"},
		"as the user's system": {autocrlf: "true", before: "* -text\n", after: "* text=auto\n"},
		"no attributes":        {autocrlf: "true", before: "lf/** text eol=lf\n", after: ""},
		"not committed":        {autocrlf: "true", before: "lf/** text eol=lf\n", after: "lf/** text eol=lf\n", uncommitted: true},
		"not committed, below": {autocrlf: "true", before: "* text eol=lf\n", after: "* text eol=lf\n", dir: "lf", uncommitted: true},
		"below, changed":       {autocrlf: "true", before: "* text eol=lf\n", after: "* text eol=crlf\n", dir: "lf"},
		"only below":           {autocrlf: "input", before: "", after: "lf/*.bat eol=crlf\n"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, t.TempDir())
			gittest.Git(t, l.host, "config", "core.autocrlf", c.autocrlf)
			attributes := func(dir, text string) {
				if text != "" {
					gittest.Put(filepath.Join(dir, c.dir), ".gitattributes", text)
				} else {
					_ = os.Remove(filepath.Join(dir, c.dir, ".gitattributes"))
				}
			}
			if !c.uncommitted {
				attributes(l.host, c.before)
			}
			for _, file := range []string{"lf/foo", "lf/x.bat", "foo", "x.bat", "untouched"} {
				gittest.Put(l.host, file, "one\ntwo\n")
			}
			gittest.Git(t, l.host, "add", "-A")
			gittest.Git(t, l.host, "commit", "-qm", "first")
			gittest.Git(t, l.host, "rm", "-rq", "--cached", ".")
			gittest.Git(t, l.host, "reset", "-q", "--hard")
			attributes(l.host, c.before)
			if err := l.prepare(workspace.FullCopy, false); err != nil {
				t.Fatal(err)
			}
			attributes(l.guest, c.after)
			for _, file := range []string{"lf/foo", "lf/x.bat", "foo", "x.bat", "lf/new", "new", "new.bat"} {
				gittest.Put(l.guest, file, "one\nthree\n")
			}
			gittest.Git(t, l.guest, "add", "-A")
			gittest.Git(t, l.guest, "commit", "-qm", "second")
			file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := l.git.Diff(context.Background(), l.write(l.sent.BaseTree, got.Tree))
			if err != nil {
				t.Fatal(err)
			}
			if conflicts, err := apply(context.Background(), l.applier, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}); err != nil || conflicts != nil {
				t.Fatalf("apply: %q, %v\n%s", conflicts, err, gittest.Read(t, file))
			}
			clone := filepath.Join(filepath.Dir(l.host), "clone")
			gittest.Git(t, filepath.Dir(l.host), "clone", "-q", "-c", "core.autocrlf="+c.autocrlf, l.guest, clone)
			want, have := gittest.Files(t, clone), gittest.Files(t, l.host)
			for _, unchanged := range []string{"untouched", path.Join(c.dir, ".gitattributes")} {
				if unchanged == "untouched" || c.before == c.after { // git leaves it as it is until it is checked out again
					delete(want, unchanged)
					delete(have, unchanged)
				}
			}
			gittest.Same(t, "other than git checks them out", want, have)
		})
	}
}
