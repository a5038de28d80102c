package gitrepo_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	guestside "github.com/bangervm/banger/internal/agent/workspace"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitapply"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/workspace"
)

// prepared is a small work tree that was sent.
func prepared(t *testing.T) *loop {
	t.Helper()
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	l := newLoop(t, t.TempDir())
	gittest.Put(l.host, "a", "one\n")
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "commit", "-q", "-m", "first")
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Fatal(err)
	}
	return l
}

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

// applied exports the guest's work and applies it to the user's work tree.
func (l *loop) applied(t *testing.T) {
	t.Helper()
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil {
		t.Fatal(err)
	}
	conflicts, err := apply(t.Context(), l.applier, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
	if err != nil || conflicts != nil {
		t.Fatalf("apply: %v, conflicts %v\n%s", err, conflicts, gittest.Read(t, file))
	}
}
