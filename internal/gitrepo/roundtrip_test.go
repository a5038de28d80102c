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

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	guestside "github.com/bangervm/banger/internal/agent/workspace"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/workspace"
)

func requireGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip("git is not installed")
	}
}

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// git runs git in dir with an environment that depends on nothing here.
func git(t failer, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(dir, args...)
	if err != nil {
		t.Fatalf("git %q in %s: %v\n%s", args, dir, err, out)
	}
	return out
}

func tryGit(dir string, args ...string) (string, error) {
	cmd := gitCommand(dir, args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// tryGitIn gives git an input, and returns its output alone.
func tryGitIn(dir, input string, args ...string) (string, error) {
	cmd := gitCommand(dir, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	return string(out), err
}

func gitCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.org",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000", "GIT_CONFIG_COUNT=3",
		"GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always",
		"GIT_CONFIG_KEY_1=init.defaultBranch", "GIT_CONFIG_VALUE_1=main",
		"GIT_CONFIG_KEY_2=advice.detachedHead", "GIT_CONFIG_VALUE_2=false",
	}
	return cmd
}

// loop is one repository on its way into a guest and back.
type loop struct {
	t     failer
	git   *gitrepo.Git
	host  string // the user's work tree
	guest string // the guest's
	vault string
	noGit bool // the guest has no git
	sent  workspace.Contents
	n     int
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
func apply(ctx context.Context, g *gitrepo.Git, req workspace.ApplyRequest) ([]string, error) {
	res, err := g.Apply(ctx, req)
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

// files reads what git keeps of a work tree: each path with its kind and content.
func files(t failer, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || d.Name() == ".git" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		info, err := d.Info()
		switch {
		case err != nil || d.IsDir():
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			all[rel] = "link " + target
			return err
		}
		data, err := os.ReadFile(path)
		all[rel] = fmt.Sprintf("%v %s", info.Mode()&0o100 != 0, data)
		return err
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return all
}

// kept is files without those that git ignores.
func kept(t failer, root string) map[string]string {
	t.Helper()
	all := files(t, root)
	for path := range strings.SplitSeq(git(t, root, "ls-files", "-o", "-i", "--exclude-standard", "-z"), "\x00") {
		delete(all, path)
	}
	return all
}

func same(t failer, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func newLoop(t failer, dir string) *loop {
	l := &loop{t: t, git: gitrepo.New(gitrepo.DefaultLimits(), filepath.Join(dir, "applies")), host: filepath.Join(dir, "host"), guest: filepath.Join(dir, "guest", "repo")}
	for _, d := range []string{l.host, filepath.Join(dir, "guest")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatalf("%v", err)
		}
	}
	git(t, l.host, "init", "-q")
	return l
}

// status is what git says of a work tree, with what is staged.
func status(t failer, dir string) string {
	t.Helper()
	return git(t, dir, "status", "--porcelain=v2", "-z", "--untracked-files=all") + git(t, dir, "ls-files", "-s", "-z")
}

func TestRoundTrip(t *testing.T) {
	requireGit(t)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(base, fmt.Sprint(run))
		l := newLoop(t, dir)
		l.git.SetUnsafe()
		l.noGit = rapid.Bool().Draw(t, "guest has no git")
		mode := rapid.SampledFrom([]workspace.Mode{workspace.Shallow, workspace.FullCopy}).Draw(t, "mode")
		work(t, l.host, rapid.IntRange(0, 25).Draw(t, "steps on the host"), true)
		before, state := files(t, l.host), status(t, l.host)
		objects := git(t, l.host, "count-objects", "-v")
		index, _ := os.ReadFile(filepath.Join(l.host, ".git", "index"))

		if err := l.prepare(mode, false); err != nil {
			t.Fatalf("prepare: %v", err)
		}
		same(t, "the user's files changed", before, files(t, l.host))
		if now, _ := os.ReadFile(filepath.Join(l.host, ".git", "index")); !bytes.Equal(now, index) {
			t.Fatalf("the user's index changed")
		}
		if now := git(t, l.host, "count-objects", "-v"); now != objects {
			t.Fatalf("the user's objects changed: %s, then %s", objects, now)
		}
		arrived := files(t, l.guest)
		same(t, "the guest has other files", kept(t, l.host), arrived)
		if got := status(t, l.guest); got != state {
			t.Fatalf("git status in the guest:\n%q\nwant:\n%q", got, state)
		}
		if _, err := tryGit(l.host, "fsck", "--full"); err == nil { // an index of nothing fails it
			git(t, l.guest, "fsck", "--full", "--no-dangling")
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
		if err != nil || read(t, again) != read(t, file) {
			t.Fatalf("a second export differs: %v", err)
		}
		changes, err := l.git.Diff(context.Background(), l.write(l.sent.BaseTree, got.Tree))
		if err != nil {
			t.Fatalf("diff: %v", err)
		}
		copied := copyTree(t, l.host)
		conflicts, err := apply(context.Background(), l.git, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
		ignored := strings.Split(git(t, l.host, "ls-files", "-o", "-i", "--exclude-standard", "-z"), "\x00")
		for _, path := range conflicts { // what was not sent may be in the way, or in a directory that is
			if !slices.ContainsFunc(ignored, func(i string) bool { return i == path || strings.HasPrefix(i, path+"/") }) {
				t.Fatalf("%s is in the way of\n%s", path, read(t, file))
			}
		}
		if err != nil {
			t.Fatalf("apply: %v\n%.3000s", err, read(t, file))
		}
		if conflicts == nil {
			want, now := worked(t, l.guest, arrived), files(t, l.host)
			for path := range before { // what was not sent stays
				if _, sent := arrived[path]; !sent && now[path] == before[path] && want[path] != now[path] {
					delete(now, path)
				}
			}
			same(t, "after the patch the user's work tree differs", want, now)
			plainApply(t, copied, l.guest, file, files(t, l.host))
		} else {
			same(t, "a patch that does not apply changed files", before, files(t, l.host))
		}
		if now, _ := os.ReadFile(filepath.Join(l.host, ".git", "index")); !bytes.Equal(now, index) {
			t.Fatalf("the patch changed the user's index")
		}
		if now := git(t, l.host, "count-objects", "-v"); now != objects {
			t.Fatalf("the patch changed the user's objects: %s, then %s", objects, now)
		}
		if l.sent.HeadCommit != "" {
			freshClone(t, l, arrived)
		}
	})
}

// worked is what an export must carry: what git keeps, and what was sent and is
// still there, even if it is ignored by now.
func worked(t failer, guest string, arrived map[string]string) map[string]string {
	t.Helper()
	all, want := files(t, guest), kept(t, guest)
	for path := range arrived {
		if now, there := all[path]; there {
			want[path] = now
		}
	}
	return want
}

// copyTree copies a repository without its empty directories, which git does
// not know and takes for something in its way.
func copyTree(t failer, dir string) string {
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
func plainApply(t failer, dir, guest, file string, want map[string]string) {
	t.Helper()
	if read(t, file) == "" || loopBecomesDirectory(t, dir, guest) {
		return
	}
	git(t, dir, "apply", "--whitespace=nowarn", file)
	same(t, "git apply on the user's work tree", want, files(t, dir))
}

// freshClone applies an export against the commit that was sent.
func freshClone(t failer, l *loop, arrived map[string]string) {
	t.Helper()
	file, _, err := l.export(workspace.Patch, l.sent.HeadCommit)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	clone := filepath.Join(filepath.Dir(l.host), "clone")
	git(t, filepath.Dir(l.host), "clone", "-q", "--no-local", l.host, clone)
	git(t, clone, "checkout", "-q", "--detach", l.sent.HeadCommit)
	if loopBecomesDirectory(t, clone, l.guest) {
		return
	}
	if read(t, file) != "" {
		git(t, clone, "apply", "--whitespace=nowarn", file)
	}
	same(t, "git apply on a fresh clone", worked(t, l.guest, arrived), files(t, clone))
}

// loopBecomesDirectory reports whether a link that leads to itself is in the one
// tree, and a directory in its place in the other. That is the one change that
// git apply cannot make: it looks whether what is new in the directory is there
// already, and the kernel says ELOOP instead of no. Apply can make it.
func loopBecomesDirectory(t failer, before, after string) bool {
	t.Helper()
	for name, content := range files(t, before) {
		_, err := os.Stat(filepath.Join(before, name))
		info, statErr := os.Lstat(filepath.Join(after, name))
		if strings.HasPrefix(content, "link ") && errors.Is(err, syscall.ELOOP) && statErr == nil && info.IsDir() {
			return true
		}
	}
	return false
}

func read(t failer, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(data)
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
			put(dir, name(t), content(t))
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
				_, _ = tryGit(dir, "add", "--", path)
			}
		case "stageall":
			_, _ = tryGit(dir, "add", "-A")
		case "unstage":
			_, _ = tryGit(dir, "reset", "-q")
		case "commit":
			_, _ = tryGit(dir, "commit", "-q", "-m", "work")
		case "amend":
			_, _ = tryGit(dir, "commit", "-q", "--amend", "-a", "-m", "amended")
		case "ignore":
			put(dir, ".gitignore", rapid.SampledFrom([]string{"*.log\n", "build/\n", "*\n!keep\n", "dir/\n!dir/x\n"}).Draw(t, "rule"))
		case "reset":
			_, _ = tryGit(dir, "reset", "-q", "--soft", "HEAD~1")
		case "branch":
			_, _ = tryGit(dir, "checkout", "-q", "-b", rapid.StringMatching(`b[a-z]{3}`).Draw(t, "branch"))
		case "todir":
			if path := some(t, dir); path != "" {
				_ = os.Remove(filepath.Join(dir, path))
				put(dir, path+"/inner", content(t))
			}
		case "tofile":
			d := rapid.SampledFrom([]string{"dir", "build", "dir/sub"}).Draw(t, "directory")
			_ = os.RemoveAll(filepath.Join(dir, d))
			put(dir, d, content(t))
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

func put(dir, name, content string) {
	path := filepath.Join(dir, name)
	if os.MkdirAll(filepath.Dir(path), 0o755) != nil {
		return // a file is in the way
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return
	}
	_ = os.WriteFile(path, []byte(content), 0o644)
}

func appendTo(t failer, path, content string) {
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
	names := slices.Sorted(maps.Keys(files(t, dir)))
	if len(names) == 0 {
		return ""
	}
	return rapid.SampledFrom(names).Draw(t, "file")
}
