package gitrepo_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	guestside "github.com/bangervm/banger/internal/agent/workspace"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitapply"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/workspace"
)

// loop is one repository on its way into a guest and back.
type loop struct {
	t       gittest.Failer
	git     *gitrepo.Git
	applier *gitapply.Applier
	host    string // the user's work tree
	guest   string // the guest's
	vault   string
	noGit   bool // the guest has no git
	sent    workspace.Contents
	n       int
}

// serve runs the agent's side on one end of a pipe and returns the other.
func (l *loop) serve(req agentrpc.WorkspaceRequest) (net.Conn, func()) {
	host, agent := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		guestside.Server{Log: slog.New(slog.DiscardHandler)}.Serve(ctx, req, bufio.NewReader(agent), agent)
		_ = agent.Close()
	}()
	return host, func() { _ = host.Close(); cancel(); <-done }
}

func (l *loop) prepare(mode workspace.Mode, replace bool) error {
	l.t.Helper()
	l.n++
	l.vault = filepath.Join(filepath.Dir(l.guest), fmt.Sprintf("vault%d.git", l.n))
	parcel, err := l.git.Pack(context.Background(), workspace.PackRequest{Path: l.host, Mode: mode, Vault: l.vault})
	if err != nil {
		return err
	}
	l.sent = parcel.Contents()
	conn, end := l.serve(agentrpc.WorkspaceRequest{
		Verb: agentrpc.WorkspacePut, Path: l.guest, Replace: replace, Format: l.sent.Format, Bytes: l.sent.Bytes, Files: l.sent.Files,
	})
	err = parcel.Send(context.Background(), conn, operation.Discard{})
	end()
	return errors.Join(err, parcel.Close())
}

func (l *loop) collect(history bool) (workspace.Collected, error) {
	conn, end := l.serve(agentrpc.WorkspaceRequest{Verb: agentrpc.WorkspaceCollect, Path: l.guest, Format: l.sent.Format, Base: l.sent.BaseTree, NoGit: l.noGit})
	defer end()
	return l.git.Collect(context.Background(), conn, workspace.CollectRequest{
		Vault: l.vault, Base: l.sent.BaseTree, Known: []string{l.sent.BaseTree, l.sent.HeadCommit}, History: history,
	})
}

// write is an export of tree against base, but for its file.
func (l *loop) write(base, tree string) workspace.WriteRequest {
	return workspace.WriteRequest{Vault: l.vault, Base: base, Tree: tree, Sent: l.sent.BaseTree}
}

// apply returns the conflicts of an apply.
func apply(ctx context.Context, a *gitapply.Applier, req workspace.ApplyRequest) ([]string, error) {
	res, err := a.Apply(ctx, req)
	return res.Conflicts, err
}

// export writes the work since base and returns the file.
func (l *loop) export(format workspace.Format, base string) (string, workspace.Collected, error) {
	got, err := l.collect(format != workspace.Patch)
	if err != nil {
		return "", got, err
	}
	if _, err := l.git.Diff(context.Background(), l.write(base, got.Tree)); err != nil {
		return "", got, err
	}
	l.n++
	file := filepath.Join(filepath.Dir(l.guest), fmt.Sprintf("export%d", l.n))
	_, err = l.git.Write(context.Background(), workspace.WriteRequest{
		Vault: l.vault, Base: base, Tree: got.Tree, Sent: l.sent.BaseTree, Head: got.Head, Branch: got.Branch, Format: format, File: file,
	})
	return file, got, err
}

// kept is files without those that git ignores.
func kept(t gittest.Failer, root string) map[string]string {
	t.Helper()
	all := gittest.Files(t, root)
	for path := range strings.SplitSeq(gittest.Git(t, root, "ls-files", "-o", "-i", "--exclude-standard", "-z"), "\x00") {
		delete(all, path)
	}
	return all
}

func newLoop(t gittest.Failer, dir string) *loop {
	git := hostgit.New(hostgit.DefaultLimits())
	l := &loop{t: t, git: gitrepo.New(git), host: filepath.Join(dir, "host"), guest: filepath.Join(dir, "guest", "repo")}
	// Only a machine that crashes needs to have all of it on the disk.
	l.applier = gitapply.New(git, filepath.Join(dir, "applies"), func(string) error { return nil })
	for _, d := range []string{l.host, filepath.Join(dir, "guest")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatalf("%v", err)
		}
	}
	gittest.Git(t, l.host, "init", "-q")
	return l
}

// status is what git says of a work tree, with what is staged.
func status(t gittest.Failer, dir string) string {
	t.Helper()
	return gittest.Git(t, dir, "status", "--porcelain=v2", "-z", "--untracked-files=all") + gittest.Git(t, dir, "ls-files", "-s", "-z")
}

func TestRoundTrip(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(base, fmt.Sprint(run))
		l := newLoop(t, dir)
		l.noGit = rapid.Bool().Draw(t, "guest has no git")
		mode := rapid.SampledFrom([]workspace.Mode{workspace.Shallow, workspace.FullCopy}).Draw(t, "mode")
		work(t, l.host, rapid.IntRange(0, 25).Draw(t, "steps on the host"), true)
		before, state := gittest.Files(t, l.host), status(t, l.host)
		objects := gittest.Git(t, l.host, "count-objects", "-v")
		index, _ := os.ReadFile(filepath.Join(l.host, ".git", "index"))

		if err := l.prepare(mode, false); err != nil {
			t.Fatalf("prepare: %v", err)
		}
		gittest.Same(t, "the user's files changed", before, gittest.Files(t, l.host))
		if now, _ := os.ReadFile(filepath.Join(l.host, ".git", "index")); !bytes.Equal(now, index) {
			t.Fatalf("the user's index changed")
		}
		if now := gittest.Git(t, l.host, "count-objects", "-v"); now != objects {
			t.Fatalf("the user's objects changed: %s, then %s", objects, now)
		}
		arrived := gittest.Files(t, l.guest)
		gittest.Same(t, "the guest has other files", kept(t, l.host), arrived)
		if got := status(t, l.guest); got != state {
			t.Fatalf("git status in the guest:\n%q\nwant:\n%q", got, state)
		}
		if _, err := gittest.Try(l.host, "fsck", "--full"); err == nil { // an index of nothing fails it
			gittest.Git(t, l.guest, "fsck", "--full", "--no-dangling")
		}

		work(t, l.guest, rapid.IntRange(0, 25).Draw(t, "steps in the guest"), !l.noGit)
		guestIndex, _ := os.ReadFile(filepath.Join(l.guest, ".git", "index"))
		file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
		if err != nil {
			t.Fatalf("export: %v", err)
		}
		if now, _ := os.ReadFile(filepath.Join(l.guest, ".git", "index")); !bytes.Equal(now, guestIndex) {
			t.Fatalf("the guest's index changed")
		}
		again, _, err := l.export(workspace.Patch, l.sent.BaseTree)
		if err != nil || gittest.Read(t, again) != gittest.Read(t, file) {
			t.Fatalf("a second export differs: %v", err)
		}
		changes, err := l.git.Diff(context.Background(), l.write(l.sent.BaseTree, got.Tree))
		if err != nil {
			t.Fatalf("diff: %v", err)
		}
		copied := copyTree(t, l.host)
		conflicts, err := apply(context.Background(), l.applier, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
		ignored := strings.Split(gittest.Git(t, l.host, "ls-files", "-o", "-i", "--exclude-standard", "-z"), "\x00")
		for _, path := range conflicts { // what was not sent may be in the way, or in a directory that is
			if !slices.ContainsFunc(ignored, func(i string) bool { return i == path || strings.HasPrefix(i, path+"/") }) {
				t.Fatalf("%s is in the way of\n%s", path, gittest.Read(t, file))
			}
		}
		if err != nil {
			t.Fatalf("apply: %v\n%.3000s", err, gittest.Read(t, file))
		}
		if conflicts == nil {
			want, now := worked(t, l.guest, arrived), gittest.Files(t, l.host)
			for path := range before { // what was not sent stays
				if _, sent := arrived[path]; !sent && now[path] == before[path] && want[path] != now[path] {
					delete(now, path)
				}
			}
			gittest.Same(t, "after the patch the user's work tree differs", want, now)
			plainApply(t, copied, l.guest, file, gittest.Files(t, l.host))
		} else {
			gittest.Same(t, "a patch that does not apply changed files", before, gittest.Files(t, l.host))
		}
		if now, _ := os.ReadFile(filepath.Join(l.host, ".git", "index")); !bytes.Equal(now, index) {
			t.Fatalf("the patch changed the user's index")
		}
		if now := gittest.Git(t, l.host, "count-objects", "-v"); now != objects {
			t.Fatalf("the patch changed the user's objects: %s, then %s", objects, now)
		}
		if l.sent.HeadCommit != "" {
			freshClone(t, l, arrived)
		}
	})
}

// worked is what an export must carry: what git keeps, and what was sent and is
// still there, even if it is ignored by now.
func worked(t gittest.Failer, guest string, arrived map[string]string) map[string]string {
	t.Helper()
	all, want := gittest.Files(t, guest), kept(t, guest)
	for path := range arrived {
		if now, there := all[path]; there {
			want[path] = now
		}
	}
	return want
}

// copyTree copies a repository without its empty directories, which git does
// not know and takes for something in its way.
func copyTree(t gittest.Failer, dir string) string {
	t.Helper()
	to := dir + ".copy"
	for _, args := range [][]string{{"cp", "-a", dir, to}, {"find", to, "-type", "d", "-empty", "-not", "-path", "*/.git/*", "-delete"}} {
		if out, err := exec.CommandContext(context.Background(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	return to
}

// plainApply does with git alone what Apply did.
func plainApply(t gittest.Failer, dir, guest, file string, want map[string]string) {
	t.Helper()
	if gittest.Read(t, file) == "" || loopBecomesDirectory(t, dir, guest) {
		return
	}
	gittest.Git(t, dir, "apply", "--whitespace=nowarn", file)
	gittest.Same(t, "git apply on the user's work tree", want, gittest.Files(t, dir))
}

// freshClone applies an export against the commit that was sent.
func freshClone(t gittest.Failer, l *loop, arrived map[string]string) {
	t.Helper()
	file, _, err := l.export(workspace.Patch, l.sent.HeadCommit)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	clone := filepath.Join(filepath.Dir(l.host), "clone")
	gittest.Git(t, filepath.Dir(l.host), "clone", "-q", "--no-local", l.host, clone)
	gittest.Git(t, clone, "checkout", "-q", "--detach", l.sent.HeadCommit)
	if loopBecomesDirectory(t, clone, l.guest) {
		return
	}
	if gittest.Read(t, file) != "" {
		gittest.Git(t, clone, "apply", "--whitespace=nowarn", file)
	}
	gittest.Same(t, "git apply on a fresh clone", worked(t, l.guest, arrived), gittest.Files(t, clone))
}

// loopBecomesDirectory reports whether a link that leads to itself is in the one
// tree, and a directory in its place in the other. That is the one change that
// git apply cannot make: it looks whether what is new in the directory is there
// already, and the kernel says ELOOP instead of no. Apply can make it.
func loopBecomesDirectory(t gittest.Failer, before, after string) bool {
	t.Helper()
	for name, content := range gittest.Files(t, before) {
		_, err := os.Stat(filepath.Join(before, name))
		info, statErr := os.Lstat(filepath.Join(after, name))
		if strings.HasPrefix(content, "link ") && errors.Is(err, syscall.ELOOP) && statErr == nil && info.IsDir() {
			return true
		}
	}
	return false
}

// work does random things to a work tree, as a person or an agent would.
func work(t *rapid.T, dir string, steps int, withGit bool) {
	verbs := []string{"write", "write", "write", "edit", "delete", "rename", "link", "mode", "ignore", "todir", "tofile"}
	if withGit {
		verbs = append(verbs, "stage", "stageall", "unstage", "commit", "amend", "reset", "branch")
	}
	for range steps {
		switch rapid.SampledFrom(verbs).Draw(t, "step") {
		case "write":
			gittest.Put(dir, name(t), content(t))
		case "edit":
			if path := some(t, dir); path != "" {
				appendTo(t, filepath.Join(dir, path), content(t))
			}
		case "delete":
			if path := some(t, dir); path != "" {
				_ = os.Remove(filepath.Join(dir, path))
			}
		case "rename":
			if path := some(t, dir); path != "" {
				to := filepath.Join(dir, name(t))
				if os.MkdirAll(filepath.Dir(to), 0o755) == nil {
					_ = os.Rename(filepath.Join(dir, path), to)
				}
			}
		case "link":
			to := filepath.Join(dir, name(t))
			_ = os.Remove(to)
			if os.MkdirAll(filepath.Dir(to), 0o755) == nil {
				_ = os.Symlink(rapid.SampledFrom([]string{"a", "/etc/passwd", "../..", "dir", "caf\xe9"}).Draw(t, "target"), to)
			}
		case "mode":
			if path := some(t, dir); path != "" {
				if info, err := os.Lstat(filepath.Join(dir, path)); err == nil && info.Mode().IsRegular() {
					_ = os.Chmod(filepath.Join(dir, path), rapid.SampledFrom([]fs.FileMode{0o644, 0o755, 0o600, 0o777}).Draw(t, "mode"))
				}
			}
		case "stage":
			if path := some(t, dir); path != "" {
				_, _ = gittest.Try(dir, "add", "--", path)
			}
		case "stageall":
			_, _ = gittest.Try(dir, "add", "-A")
		case "unstage":
			_, _ = gittest.Try(dir, "reset", "-q")
		case "commit":
			_, _ = gittest.Try(dir, "commit", "-q", "-m", "work")
		case "amend":
			_, _ = gittest.Try(dir, "commit", "-q", "--amend", "-a", "-m", "amended")
		case "ignore":
			gittest.Put(dir, ".gitignore", rapid.SampledFrom([]string{"*.log\n", "build/\n", "*\n!keep\n", "dir/\n!dir/x\n"}).Draw(t, "rule"))
		case "reset":
			_, _ = gittest.Try(dir, "reset", "-q", "--soft", "HEAD~1")
		case "branch":
			_, _ = gittest.Try(dir, "checkout", "-q", "-b", rapid.StringMatching(`b[a-z]{3}`).Draw(t, "branch"))
		case "todir":
			if path := some(t, dir); path != "" {
				_ = os.Remove(filepath.Join(dir, path))
				gittest.Put(dir, path+"/inner", content(t))
			}
		case "tofile":
			d := rapid.SampledFrom([]string{"dir", "build", "dir/sub"}).Draw(t, "directory")
			_ = os.RemoveAll(filepath.Join(dir, d))
			gittest.Put(dir, d, content(t))
		}
	}
}

func name(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"a", "b", "c.txt", "dir/x", "dir/y", "dir/sub/z", "build/out", "x.log", "keep", "with space", "caf\xe9", "dir/\xff\xfe", "new\nline",
		"-dash", "tab\there", "quote\"d", "back\\slash", "ünï", "dir.d/e", "dir-/e",
	}).Draw(t, "name")
}

func content(t *rapid.T) string {
	texts := map[string]string{
		"empty": "", "lines": "one\ntwo\nthree\n", "no newline": "no newline", "crlf": "crlf\r\nline\r\n", "binary": "\x00\x01\x02binary\xff",
		"long": strings.Repeat("line\n", 400), "mixed": "mixed\r\nends\n", "bom": "\xef\xbb\xbfbom\n", "blob": strings.Repeat("\x00\xde\xad", 3000),
		"pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
	}
	kind := rapid.SampledFrom(slices.Sorted(maps.Keys(texts))).Draw(t, "content")
	return texts[kind] + rapid.SampledFrom([]string{"", "", "x", "y\n"}).Draw(t, "end")
}

func appendTo(t gittest.Failer, path, content string) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	_, err = io.WriteString(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatalf("%v", err)
	}
}

// some picks a file of the work tree.
func some(t *rapid.T, dir string) string {
	names := slices.Sorted(maps.Keys(gittest.Files(t, dir)))
	if len(names) == 0 {
		return ""
	}
	return rapid.SampledFrom(names).Draw(t, "file")
}
