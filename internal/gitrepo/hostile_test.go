package gitrepo_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// hostile lets guest play the agent against one Collect.
func hostile(t *testing.T, l *loop, limits hostgit.Limits, guest func(c net.Conn, in *bufio.Reader)) error {
	t.Helper()
	host, agent := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		guest(agent, bufio.NewReader(agent))
		_ = agent.Close()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = host.Close() })
	defer stop()
	got, err := gitrepo.New(hostgit.New(limits)).Collect(ctx, host, workspace.CollectRequest{
		Vault: l.vault, Base: l.sent.BaseTree, Known: []string{l.sent.BaseTree},
	})
	_ = host.Close()
	<-done
	if err == nil {
		_, err = l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	}
	return err
}

func TestAnswersOfAHostileGuest(t *testing.T) {
	l := prepared(t)
	limits := hostgit.DefaultLimits()
	limits.PackBytes, limits.FileBytes, limits.Files = 1<<20, 1<<20, 1000
	snapshot := func(tree string) agentrpc.WorkspaceAnswer {
		return agentrpc.WorkspaceAnswer{Snapshot: &agentrpc.WorkspaceSnapshot{Repos: []agentrpc.WorkspaceRepo{{Format: "sha1", Tree: tree}}}}
	}
	unknown := strings.Repeat("ab", 20)
	packs := func(write func(c net.Conn)) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, in *bufio.Reader) {
			_ = agentrpc.WriteLine(c, snapshot(unknown))
			var want agentrpc.WorkspaceWant
			if err := agentrpc.ReadLine(in, &want); err != nil || !want.Packs {
				t.Errorf("the host wants %+v, %v", want, err)
			}
			write(c)
		}
	}
	lists := func(write func(c net.Conn, tree *agentrpc.TreeWriter)) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, in *bufio.Reader) {
			go func() { _, _ = io.Copy(io.Discard, in) }()
			_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{})
			write(c, agentrpc.NewTreeWriter(c))
		}
	}
	listed := func(path string) agentrpc.TreeEntry {
		return agentrpc.TreeEntry{Kind: agentrpc.TreeListed, Path: path, Mode: 0o100644, Size: 1}
	}
	for name, tc := range map[string]struct {
		guest func(net.Conn, *bufio.Reader)
		want  fault.Code
	}{
		"nothing":      {func(net.Conn, *bufio.Reader) {}, fault.Unavailable},
		"no json":      {func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, "{{{\n") }, fault.Unavailable},
		"endless line": {func(c net.Conn, _ *bufio.Reader) { _, _ = c.Write(bytes.Repeat([]byte("x"), 2<<20)) }, fault.Unavailable},
		"refusal": {func(c net.Conn, _ *bufio.Reader) {
			_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{Code: "not_found", Message: "no"})
		}, fault.NotFound},
		"made-up code": {func(c net.Conn, _ *bufio.Reader) {
			_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{Code: "root", Message: "no"})
		}, fault.Internal},
		"no repository": {func(c net.Conn, _ *bufio.Reader) {
			_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{Snapshot: &agentrpc.WorkspaceSnapshot{}})
		}, fault.Unavailable},
		"tree as option": {func(c net.Conn, _ *bufio.Reader) { _ = agentrpc.WriteLine(c, snapshot("--upload-pack=x")) }, fault.Unavailable},
		"too many repositories": {func(c net.Conn, _ *bufio.Reader) {
			a := snapshot(unknown)
			for range agentrpc.MaxWorkspaceRepos {
				a.Snapshot.Repos = append(a.Snapshot.Repos, agentrpc.WorkspaceRepo{Path: []byte("sub"), Format: "sha1", Tree: unknown})
			}
			_ = agentrpc.WriteLine(c, a)
		}, fault.Unavailable},
		"repository in .git": {func(c net.Conn, _ *bufio.Reader) {
			a := snapshot(unknown)
			a.Snapshot.Repos = append(a.Snapshot.Repos, agentrpc.WorkspaceRepo{Path: []byte(".git/modules/\x1b[2J"), Format: "sha1", Tree: unknown})
			_ = agentrpc.WriteLine(c, a)
		}, fault.Unavailable},
		"branch that leaves": {func(c net.Conn, _ *bufio.Reader) {
			a := snapshot(unknown)
			a.Snapshot.Repos[0].Branch = "refs/heads/../../config"
			_ = agentrpc.WriteLine(c, a)
		}, fault.Unavailable},
		"after the pack": {packs(func(c net.Conn) {
			pack, _ := gittest.TryIn(l.guest, "HEAD^{tree}\n", "pack-objects", "--revs", "--stdout", "-q")
			for agentrpc.WriteChunk(c, []byte(pack)) == nil {
			}
		}), fault.Invalid},
		"a tree of 3 GiB": {packs(func(c net.Conn) {
			_ = agentrpc.WriteChunk(c, []byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\xa0\x80\x80\x80\x60\x78\x01"))
			for agentrpc.WriteChunk(c, bytes.Repeat([]byte{0}, agentrpc.MaxFrame)) == nil {
			}
		}), fault.Invalid},
		"a pack of 2 MiB": {packs(func(c net.Conn) {
			var noise [2 << 20]byte
			_, _ = rand.NewChaCha8([32]byte{}).Read(noise[:])
			id, _ := gittest.TryIn(l.guest, string(noise[:]), "hash-object", "-w", "--stdin")
			pack, _ := gittest.TryIn(l.guest, id, "pack-objects", "--stdout", "-q")
			_, _ = io.WriteString(agentrpc.ChunkWriter{W: c}, pack)
		}), fault.Invalid},
		"one file for ever": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			for tree.Entry(listed("x"), nil) == nil {
			}
		}), fault.Invalid},
		"file twice": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			_ = tree.Entry(listed("\x1b[2J"), nil)
			_ = tree.Entry(listed("y"), nil)
			_ = tree.End()
			for range 2 {
				_ = tree.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: "\x1b[2J"}, "evil")
			}
			_ = tree.End()
		}), fault.Unavailable},
		"link twice": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			_ = tree.Entry(listed("\x1b[2J"), nil)
			_ = tree.Entry(listed("y"), nil)
			_ = tree.End()
			for range 2 {
				_ = tree.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeLink, Path: "\x1b[2J"}, "evil")
			}
			_ = tree.End()
		}), fault.Unavailable},
		"too much in all": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			for _, name := range []string{"x", "y", "z"} {
				_ = tree.Entry(listed(name), nil)
			}
			_ = tree.End()
			for _, name := range []string{"x", "y", "z"} {
				_ = tree.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: name}, strings.Repeat("x", 400<<10))
			}
			_ = tree.End()
		}), fault.Invalid},
		"directories for one file": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			deep := strings.Repeat("d/", 300) + "x"
			_ = tree.Entry(listed(deep), nil)
			_ = tree.End()
			_ = tree.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: deep}, "x")
			_ = tree.End()
		}), fault.Invalid},
		"a file of rules in many places": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			for i := range 300 {
				e := listed(fmt.Sprintf("%d/.gitignore", i))
				e.OID = unhexed(strings.TrimSpace(gittest.Git(t, l.host, "rev-parse", "HEAD:a")))
				_ = tree.Entry(e, nil)
			}
			_ = tree.End()
		}), fault.Invalid},
		"a tree for a file of rules": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			e := listed(".gitignore")
			e.OID = unhexed(l.sent.BaseTree)
			_ = tree.Entry(e, nil)
			_ = tree.End()
		}), fault.Unavailable},
		"endless reason": {lists(func(c net.Conn, _ *agentrpc.TreeWriter) {
			_, _ = c.Write(append([]byte{byte(agentrpc.TreeError), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f}, make([]byte, 1<<20)...))
		}), fault.Unavailable},
		"gave up in the list": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) { _ = tree.Fail("disk \x1b[2J full") }), fault.Unavailable},
		"no pack":             {packs(func(net.Conn) {}), fault.Unavailable},
		"garbage pack":        {packs(func(c net.Conn) { _ = agentrpc.WriteChunk(c, []byte("PACK....")); _ = agentrpc.WriteChunk(c, nil) }), fault.Unavailable},
		"huge chunk":          {packs(func(c net.Conn) { _, _ = c.Write([]byte{0x7f, 0xff, 0xff, 0xff}) }), fault.Unavailable},
		"gave up":             {packs(func(c net.Conn) { _ = agentrpc.FailChunks(c, "disk \x1b[2J full") }), fault.Unavailable},
		"empty pack": {packs(func(c net.Conn) {
			_ = agentrpc.WriteChunk(c, append([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"),
				0x02, 0x9d, 0x08, 0x82, 0x3b, 0xd8, 0xa8, 0xea, 0xb5, 0x10, 0xad, 0x6a, 0xc7, 0x5c, 0x82, 0x3c, 0xfd, 0x3e, 0xd3, 0x1e))
			_ = agentrpc.WriteChunk(c, nil)
		}), fault.Unavailable},
		"endless pack": {packs(func(c net.Conn) {
			_ = agentrpc.WriteChunk(c, []byte("PACK\x00\x00\x00\x02\x00\x00\xff\xff\xb0\x80\x80\x80\x80\x80\x01\x78\x01"))
			for agentrpc.WriteChunk(c, bytes.Repeat([]byte{0}, agentrpc.MaxFrame)) == nil {
			}
		}), fault.Invalid},
		"endless list": {lists(func(_ net.Conn, tree *agentrpc.TreeWriter) {
			for i := 0; tree.Entry(listed(strings.Repeat("x", 1+i%200)+"/"+strings.Repeat("y", 1+i/200)), nil) == nil; i++ {
			}
		}), fault.Invalid},
		"path that leaves": {lists(func(c net.Conn, tree *agentrpc.TreeWriter) {
			_ = tree.Entry(listed("../../etc/passwd"), nil)
			_ = tree.End()
		}), fault.Unavailable},
		"path in .git": {lists(func(c net.Conn, tree *agentrpc.TreeWriter) {
			_ = tree.Entry(listed("sub/.GIT/hooks/x"), nil)
			_ = tree.End()
		}), fault.Invalid},
		"device": {lists(func(c net.Conn, tree *agentrpc.TreeWriter) {
			e := listed("x")
			e.Mode = 0o60644
			_ = tree.Entry(e, nil)
			_ = tree.End()
		}), fault.Unavailable},
		"unasked file": {lists(func(c net.Conn, tree *agentrpc.TreeWriter) {
			_ = tree.Entry(listed("x"), nil)
			_ = tree.End()
			_ = tree.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: "y"}, "evil")
			_ = tree.End()
		}), fault.Unavailable},
		"endless file": {lists(func(c net.Conn, tree *agentrpc.TreeWriter) {
			_ = tree.Entry(listed("x"), nil)
			_ = tree.End()
			_ = tree.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: "x", Size: 1 << 62}, nil)
			_ = tree.End()
		}), fault.Invalid},
		"through a link": {lists(func(c net.Conn, tree *agentrpc.TreeWriter) {
			_ = tree.Entry(listed("l"), nil)
			_ = tree.Entry(listed("l/x"), nil)
			_ = tree.End()
			_ = tree.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeLink, Path: "l"}, filepath.Dir(l.host))
			_ = tree.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: "l/x"}, "evil")
			_ = tree.End()
		}), fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			err := hostile(t, l, limits, tc.guest)
			if !errors.Is(err, tc.want) {
				t.Errorf("Collect = %v; want %s", err, tc.want)
			}
			if err != nil && strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("the error passes an escape on: %q", err)
			}
			if _, err := os.Lstat(filepath.Join(filepath.Dir(l.host), "x")); err == nil {
				t.Error("a file was written outside")
			}
		})
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(l.vault), "scratch-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A guest that says no more holds nobody longer than the transfer may take.
func TestASilentGuestIsBounded(t *testing.T) {
	l := prepared(t)
	for name, says := range map[string]func(c net.Conn, in *bufio.Reader){
		"nothing":     func(net.Conn, *bufio.Reader) {},
		"half a line": func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, `{"code":`) },
		"half a list": func(c net.Conn, _ *bufio.Reader) {
			_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{})
			_, _ = c.Write([]byte{byte(agentrpc.TreeListed), 0})
		},
		"half a pack": func(c net.Conn, in *bufio.Reader) {
			_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{Snapshot: &agentrpc.WorkspaceSnapshot{
				Repos: []agentrpc.WorkspaceRepo{{Format: "sha1", Tree: strings.Repeat("ab", 20)}},
			}})
			var want agentrpc.WorkspaceWant
			_ = agentrpc.ReadLine(in, &want)
			_ = agentrpc.WriteChunk(c, []byte("PACK\x00\x00"))
		},
		"no answer to what the host wants": func(c net.Conn, _ *bufio.Reader) {
			_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{Snapshot: &agentrpc.WorkspaceSnapshot{
				Repos: []agentrpc.WorkspaceRepo{{Format: "sha1", Tree: strings.Repeat("ab", 20)}},
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, agent := net.Pipe()
			ctx, cancel := context.WithCancelCause(t.Context())
			context.AfterFunc(ctx, func() { _ = host.Close() })
			go func() {
				says(agent, bufio.NewReader(agent))
				cancel(fault.New(fault.Unavailable, "time is up"))
			}()
			_, err := l.git.Collect(ctx, host, workspace.CollectRequest{Vault: l.vault, Base: l.sent.BaseTree})
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "time is up") {
				t.Errorf("Collect = %v; want what ended it", err)
			}
		})
	}
}
