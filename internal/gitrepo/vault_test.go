package gitrepo_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// noise is content that no compression makes smaller.
func noise(seed byte, n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return string(b)
}

func size(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		sum += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// A file that is written again and again is in a vault a bounded number of times.
func TestAVaultDoesNotGrowWithEveryLook(t *testing.T) {
	for name, noGit := range map[string]bool{"by the guest's git": false, "by its files": true} {
		t.Run(name, func(t *testing.T) {
			l := prepared(t)
			l.noGit = noGit
			l.git.SetTrimAbove(1 << 20)
			gittest.Put(l.guest, "kept", noise(99, 100<<10))
			for n := range 8 {
				gittest.Put(l.guest, "built", noise(byte(n), 1<<20))
				got, err := l.collect(false)
				if err != nil {
					t.Fatal(err)
				}
				if err := l.git.Trim(t.Context(), l.vault, []string{l.sent.BaseTree, got.Tree}); err != nil {
					t.Fatal(err)
				}
				if now := size(t, l.vault); now > 4<<20 {
					t.Fatalf("the vault has %d KiB after %d looks at 1.1 MiB", now>>10, n+1)
				}
			}
			file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := gittest.Try(l.vault, "fsck", "--full", "--strict", got.Tree); err != nil {
				t.Errorf("the vault after it: %s", out)
			}
			gittest.Git(t, l.host, "apply", "--whitespace=nowarn", file)
			gittest.Same(t, "after the patch", gittest.Files(t, l.guest), gittest.Files(t, l.host))
		})
	}
}

// A guest may send no more than its disk can hold.
func TestAVaultIsBounded(t *testing.T) {
	l := prepared(t)
	for name, noGit := range map[string]bool{"by the guest's git": false, "by its files": true} {
		t.Run(name, func(t *testing.T) {
			gittest.Put(l.guest, "built", noise(1, 1<<20))
			conn, end := l.serve(agentrpc.WorkspaceRequest{
				Verb: agentrpc.WorkspaceCollect, Path: l.guest, Format: l.sent.Format, Base: l.sent.BaseTree, NoGit: noGit,
			})
			defer end()
			_, err := l.git.Collect(t.Context(), conn, workspace.CollectRequest{
				Vault: l.vault, Base: l.sent.BaseTree, Known: []string{l.sent.BaseTree}, MaxBytes: 500 << 10,
			})
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("1 MiB for a disk of 500 KiB: %v; want Invalid", err)
			}
		})
	}
}

// A look reads no file: it counts what differs though no content is there.
func TestALookReadsTreesOnly(t *testing.T) {
	l := prepared(t)
	entry := func(name, id string) string { return "100644 blob " + id + "\t" + name + "\n" }
	absent, other := strings.Repeat("12", 20), strings.Repeat("34", 20)
	var trees [2]string
	for i, list := range []string{entry("a", absent) + entry("b", absent), entry("a", other) + entry("c", absent)} {
		out, err := gittest.TryIn(l.vault, list, "mktree", "--missing")
		if err != nil {
			t.Fatal(err)
		}
		trees[i] = strings.TrimSpace(out)
	}
	if n, err := l.git.Count(t.Context(), l.vault, trees[0], trees[1]); err != nil || n != 3 {
		t.Errorf("Count = %d, %v; want 3", n, err)
	}
}

// A text of newlines costs git 40 times its size to compare line by line.
func TestLargeTextIsNotComparedByLines(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "lines", strings.Repeat("\n", 9<<20))
	gittest.Put(l.guest, "few", strings.Repeat("\n", 100))
	_, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil || len(changes) != 2 || changes[0].Binary || changes[0].Insertions != 100 || !changes[1].Binary {
		t.Errorf("changes = %+v, %v; want the large file as binary", changes, err)
	}
}
