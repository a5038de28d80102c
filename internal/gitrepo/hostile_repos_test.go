package gitrepo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// repository is what somebody hostile has made of a repository, and what is to
// come of it: either every format gives exactly what is in it, or it is refused.
type repository struct {
	make    func(r *crafted)
	refused bool
	limits  func(*hostgit.Limits)
}

const utf7 = "author A <a@example.org> 1700000000 -0100\ncommitter C <c@example.org> 1700000000 -0100\nencoding %s\n"

const patchInUTF7 = "harmless\n\n+AGQ-iff --git a/a b/a\n+AC0ALQAt- a/a\n+-+-+- b/a\n+AEAAQA- -1 +-1 +AEAAQA-\n-one\n+-evil\n"

func hostileRepositories() map[string]repository {
	all := map[string]repository{}
	for _, some := range []map[string]repository{hostileMessages(), hostileNames(), hostileSizes(), hostileFiles()} {
		maps.Copy(all, some)
	}
	return all
}

func hostileMessages() map[string]repository {
	return map[string]repository{
		"a patch in UTF-7": {make: func(r *crafted) { gittest.Put(r.dir, "b", "b\n"); r.commit(fmt.Sprintf(utf7, "UTF-7"), patchInUTF7) }},
		"a mail in UTF-7": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit(fmt.Sprintf(utf7, "UTF-7"), "m\n\n+AEY-rom "+strings.Repeat("0", 40)+" Mon Sep 17 00:00:00 2001\nSubject: x\n\n+AC0ALQAt-\n")
		}},
		"an encoding of EBCDIC": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit(fmt.Sprintf(utf7, "EBCDIC-US"), "\x84\x89\x86\x86\x40\x60\x60\x87\x89\xa3\x25")
		}},
		"an encoding of ISO-2022": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit(fmt.Sprintf(utf7, "ISO-2022-JP"), "m\n\n\x1b(Bdiff --git a/a b/a\n")
		}},
		"an encoding of UTF-16": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit(fmt.Sprintf(utf7, "UTF-16LE"), "m\n\nd\x01i\x01f\x01f\x01\n")
		}},
		"an encoding of nothing": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit(fmt.Sprintf(utf7, "x-no-such"), "caf\xe9\n\ndiff -\n")
		}},
		"no UTF-8": {make: func(r *crafted) { gittest.Put(r.dir, "b", "b\n"); r.commit("", "caf\xe9\n\n\xff\xfe---\n--- a/a\n") }},
		"mails in a message": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("", "m\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nSubject: x\n\n---\ndiff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+evil\n")
		}},
		"a patch after form feeds": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("", "m\n\n\fdiff --git a/a b/a\n\r--- a/a\r\rIndex: a\n\x0b---\n")
		}},
		"scissors": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("", "m\n\nbefore\n-- >8 --\nSubject: other\n\nafter\n")
		}},
		"headers in a message": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("", "m\nContent-Type: multipart/mixed; boundary=x\n\nContent-Transfer-Encoding: base64\nFrom: evil <e@example.org>\n\n--x\n")
		}},
		"a subject that is a header": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("", "=?UTF-7?Q?+AAo-diff?=\n =?utf-8?b?Cgo=?=\n")
		}},
		"an author with lines": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("author =?utf-8?b?Cgo=?= \x1b[2J <a@example.org\x0bx> 99999999999 +9999\ncommitter C <> 1 +0000\n", "m\n")
		}},
		"an author in UTF-7": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("author +AAoACg-diff <a@example.org> 1 -0000\ncommitter C <c@example.org> 1 -0000\nencoding UTF-7\n", "m\n")
		}},
		"a long message":  {make: func(r *crafted) { gittest.Put(r.dir, "b", "b\n"); r.commit("", strings.Repeat("line\n", 100_000)) }},
		"an endless line": {make: func(r *crafted) { gittest.Put(r.dir, "b", "b\n"); r.commit("", "m\n\n"+strings.Repeat("x", 1<<20)) }},
		"no message":      {make: func(r *crafted) { gittest.Put(r.dir, "b", "b\n"); r.commit("", "") }},
		"an empty commit": {make: func(r *crafted) { gittest.Put(r.dir, "b", "b\n"); r.commit("", "m\n"); r.commit("", "diff -\n") }},
		"a zero byte":     {make: func(r *crafted) { gittest.Put(r.dir, "b", "b\n"); r.commit("", "m\x00\n\ndiff --git a/a b/a\n") }, refused: true},
		"odd time zones": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("author A <a@example.org> 1700000000 +051800\ncommitter C <c@example.org> 1700000000 -7\n", "m\n")
		}},
		"a merge": {make: func(r *crafted) {
			r.git("", "checkout", "-q", "-b", "side")
			gittest.Put(r.dir, "b", "b\n")
			r.commit("", "m\n")
			r.git("", "checkout", "-q", "main")
			r.git("", "merge", "-q", "--no-ff", "-m", "merged", "side")
		}},
		"many commits": {limits: func(l *hostgit.Limits) { l.Commits = 3 }, make: func(r *crafted) {
			for n := range 5 {
				gittest.Put(r.dir, "b", fmt.Sprint(n))
				r.commit("", "m\n")
			}
		}},
	}
}

func hostileNames() map[string]repository {
	return map[string]repository{
		"odd names": {make: func(r *crafted) {
			for _, name := range []string{
				"new\nline", "tab\t", " ", "trailing ", "a b/x", "b/a", "-p1", "--", "dev/null", "\"q\"", "back\\slash", "\x1b[2J", "\u202egnp", "caf\xe9",
				"a => b", "{a => b}/c", "a\n+++ b/a", "...", ".gitx", "con", "x:y", strings.Repeat("n", 255),
			} {
				gittest.Put(r.dir, name, "x\n")
			}
			r.commit("", "m\n")
		}},
		"a deep path": {make: func(r *crafted) { gittest.Put(r.dir, strings.Repeat("d/", 500)+"f", "x\n") }},
		"names that collide": {make: func(r *crafted) {
			gittest.Put(r.dir, "README", "1\n")
			gittest.Put(r.dir, "readme", "2\n")
			gittest.Put(r.dir, "ﬁle", "3\n")
			gittest.Put(r.dir, "file", "4\n")
		}},
		"a name like .git": {make: func(r *crafted) { r.committed(r.tree("100644 .GIT " + r.blob("x"))) }, refused: true},
		"a nested .git": {make: func(r *crafted) {
			r.committed(r.tree("40000 sub " + r.tree("40000 .git "+r.tree("100644 config "+r.blob("[core]\n\tfsmonitor = evil\n")))))
		}, refused: true},
		"a path that leaves":  {make: func(r *crafted) { r.committed(r.tree("40000 .. " + r.tree("100644 x "+r.blob("x")))) }, refused: true},
		"a name with a slash": {make: func(r *crafted) { r.committed(r.tree("100644 ../x " + r.blob("x"))) }, refused: true},
		"a name twice":        {make: func(r *crafted) { r.committed(r.tree("100644 x "+r.blob("1"), "100644 x "+r.blob("2"))) }, refused: true},
		"a file and a directory of one name": {make: func(r *crafted) {
			r.committed(r.tree("100644 x "+r.blob("1"), "40000 x "+r.tree("100644 y "+r.blob("2"))))
		}, refused: true},
		"names out of order": {make: func(r *crafted) { r.committed(r.tree("100644 z "+r.blob("1"), "100644 a "+r.blob("2"))) }, refused: true},
		"zeros before modes": {make: func(r *crafted) {
			r.committed(r.tree("100644 a "+r.blob("two\n"), "040000 d "+r.tree("0100644 x "+r.blob("x\n"))))
		}},
		"modes that no git writes": {make: func(r *crafted) { r.committed(r.tree("100664 a "+r.blob("one\n"), "100777 x "+r.blob("x\n"))) }},
		"a path flood": {limits: func(l *hostgit.Limits) { l.Files = 1000 }, refused: true, make: func(r *crafted) {
			tree := r.tree("100644 f " + r.blob("x"))
			for range 12 {
				var entries []string
				for n := range 10 {
					entries = append(entries, fmt.Sprintf("40000 %d %s", n, tree))
				}
				tree = r.tree(entries...)
			}
			r.committed(tree)
		}},
	}
}

func hostileSizes() map[string]repository {
	return map[string]repository{
		"newlines": {make: func(r *crafted) { gittest.Put(r.dir, "lines", strings.Repeat("\n", 9<<20)) }},
		"a large file": {limits: func(l *hostgit.Limits) { l.ObjectBytes = 1 << 20 }, refused: true, make: func(r *crafted) {
			gittest.Put(r.dir, "zeros", strings.Repeat("\x00", 80<<20))
			r.git("", "-c", "core.bigFileThreshold=1g", "add", "zeros")
		}},
		"a large patch": {limits: func(l *hostgit.Limits) { l.PatchBytes = 1 << 20 }, refused: true, make: func(r *crafted) { gittest.Put(r.dir, "b", strings.Repeat("line\n", 1<<20)) }},
		"one line":      {make: func(r *crafted) { gittest.Put(r.dir, "line", strings.Repeat("x", 4<<20)) }},
		"a patch as a file": {make: func(r *crafted) {
			gittest.Put(r.dir, "a", "-- \n2.39\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n---\ndiff --git a/x b/x\nGIT binary patch\nliteral 0\n")
			r.commit("", "m\n")
		}},
	}
}

func hostileFiles() map[string]repository {
	return map[string]repository{
		"links": {make: func(r *crafted) {
			for name, target := range map[string]string{"out": "../../../etc/passwd", "self": "self", "git": ".git/config", "nl": "a\nb", "up": ".."} {
				if err := os.Symlink(target, filepath.Join(r.dir, name)); err != nil {
					r.t.Fatal(err)
				}
			}
			r.commit("", "m\n")
		}},
		"a link that becomes a directory": {make: func(r *crafted) {
			r.committed(r.tree("100644 a "+r.blob("one\n"), "120000 l "+r.blob("/tmp")))
			r.committed(r.tree("100644 a "+r.blob("one\n"), "40000 l "+r.tree("100644 x "+r.blob("x\n"))))
		}},
		"a file below a link": {make: func(r *crafted) {
			r.committed(r.tree("120000 l "+r.blob("/tmp"), "40000 l "+r.tree("100644 x "+r.blob("x"))))
		}, refused: true},
		"a link .gitmodules": {make: func(r *crafted) { r.committed(r.tree("120000 .gitmodules " + r.blob("a"))) }, refused: true},
		"a module as an option": {make: func(r *crafted) {
			gittest.Put(r.dir, ".gitmodules", "[submodule \"s\"]\n\tpath = -u\n\turl = --upload-pack=evil\n")
			r.commit("", "m\n")
		}, refused: true},
		"a module that leaves": {make: func(r *crafted) {
			gittest.Put(r.dir, ".gitmodules", "[submodule \"../x\"]\n\tpath = x\n\turl = x\n")
			r.commit("", "m\n")
		}, refused: true},
		"a gitlink to nowhere": {make: func(r *crafted) {
			r.committed(r.tree("100644 a "+r.blob("one\n"), "160000 s "+strings.Repeat("12", 20)))
		}},
		"attributes": {make: func(r *crafted) {
			gittest.Put(r.dir, ".gitattributes", "* filter=evil diff=evil merge=evil -text ident\n*.crlf text eol=crlf\n*.enc working-tree-encoding=UTF-16\n*.bin -diff\n* whitespace=cr-at-eol\n[attr]x filter=evil\n")
			gittest.Put(r.dir, "f.bin", "$Id$\n")
			gittest.Put(r.dir, "f.crlf", "a\nb\r\n")
			r.commit("", "m\n")
		}},
		"broken attributes": {make: func(r *crafted) {
			gittest.Put(r.dir, ".gitattributes", strings.Repeat("x", 5000)+" filter=\x1b[2J\n\"\x00")
			r.commit("", "m\n")
		}, refused: true},
		"a branch that cannot be shown": {make: func(r *crafted) {
			gittest.Put(r.dir, "b", "b\n")
			r.commit("", "m\n")
			r.git("", "branch", "-m", "main\u202egnp\u009b2J")
		}},
	}
}

// Nothing was sent to these guests: all of the repository is theirs.
func TestExportsOfHostileRepositories(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	for name, repo := range hostileRepositories() {
		t.Run(name, func(t *testing.T) {
			limits := hostgit.DefaultLimits()
			if repo.limits != nil {
				repo.limits(&limits)
			}
			dir := t.TempDir()
			l := newLoop(t, dir)
			l.git = gitrepo.New(hostgit.New(limits))
			gittest.Put(l.host, "a", "one\n")
			gittest.Git(t, l.host, "add", "-A")
			gittest.Git(t, l.host, "commit", "-q", "-m", "first")
			base := strings.TrimSpace(gittest.Git(t, l.host, "rev-parse", "HEAD"))
			gittest.Git(t, dir, "clone", "-q", l.host, l.guest)
			r := &crafted{t: t, dir: l.guest}
			repo.make(r)
			l.vault = filepath.Join(dir, "vault.git")
			got, err := l.take(r)
			if err != nil {
				acceptable(t, "collect", err, repo.refused)
				return
			}
			clone := filepath.Join(dir, "clone")
			gittest.Git(t, dir, "clone", "-q", l.host, clone)
			refused := 0
			for _, format := range []workspace.Format{workspace.Patch, workspace.Bundle, workspace.Mbox} {
				req := l.write(base, got.Tree)
				req.Sent, req.Head, req.Branch, req.Format, req.File = "", got.Head, got.Branch, format, filepath.Join(dir, string(format))
				if err := l.exported(req); err != nil {
					acceptable(t, string(format), err, repo.refused)
					refused++
					continue
				}
				l.applyAs(t, req, clone, base)
			}
			if repo.refused && refused == 0 {
				t.Error("every format of it was written")
			}
		})
	}
}

// acceptable is how something is refused, if it may be.
func acceptable(t *testing.T, what string, err error, refused bool) {
	t.Helper()
	if !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Unavailable) || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%s: %v; want a refusal that can be shown", what, err)
	}
	if !refused {
		t.Errorf("%s: refused: %v", what, err)
	}
}

// take collects from a guest that was sent nothing, and leaves nothing behind.
func (l *loop) take(r *crafted) (workspace.Collected, error) {
	conn, end := r.serve()
	if r.sent == "" {
		end()
		conn, end = l.serve(agentrpc.WorkspaceRequest{Verb: agentrpc.WorkspaceCollect, Path: l.guest})
	}
	defer end()
	return l.git.Collect(context.Background(), conn, workspace.CollectRequest{Vault: l.vault, History: true})
}

func (l *loop) exported(req workspace.WriteRequest) error {
	_, err := l.git.Diff(context.Background(), req)
	if err == nil {
		_, err = l.git.Write(context.Background(), req)
	}
	if left, globErr := filepath.Glob(filepath.Join(filepath.Dir(l.vault), "scratch-*")); globErr != nil || len(left) > 0 {
		l.t.Fatalf("%s: left behind: %v, %v", req.Format, left, globErr)
	}
	return err
}

// applyAs lets git make of an export what it does: what is in the guest.
func (l *loop) applyAs(t *testing.T, req workspace.WriteRequest, clone, base string) {
	t.Helper()
	gittest.Git(t, clone, "reset", "-q", "--hard", base)
	switch req.Format {
	case workspace.Mbox:
		gittest.Git(t, clone, "am", "-q", "--keep-cr", req.File)
	case workspace.Bundle:
		gittest.Git(t, clone, "fetch", "-q", req.File, strings.Fields(gittest.Git(t, clone, "bundle", "list-heads", req.File))[1])
		gittest.Git(t, clone, "read-tree", "FETCH_HEAD")
	default:
		gittest.Git(t, clone, "apply", "--cached", "--whitespace=nowarn", "--allow-empty", req.File)
	}
	if got := strings.TrimSpace(gittest.Git(t, clone, "write-tree")); got != req.Tree {
		l.sameTree(t, req.Format, clone, got, req.Tree)
	}
}

// sameTree compares trees that are written in different ways.
func (l *loop) sameTree(t *testing.T, format workspace.Format, clone, got, want string) {
	t.Helper()
	cmd := gittest.Command(clone, "diff-tree", "-r", "--quiet", got, want)
	cmd.Env = append(cmd.Env, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+filepath.Join(l.vault, "objects"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: git makes another tree of it than the guest has: %v %s", format, err, out)
	}
}
