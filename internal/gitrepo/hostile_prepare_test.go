package gitrepo_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/workspace"
)

// An agent may answer a prepare with anything, at any time.
func TestAnswersOfAHostileGuestToAPrepare(t *testing.T) {
	l := prepared(t)
	for name, tc := range map[string]struct {
		answer string
		want   fault.Code
	}{
		"nothing":      {"", fault.Unavailable},
		"no json":      {"{{{\n", fault.Unavailable},
		"endless line": {strings.Repeat("x", 2<<20), fault.Unavailable},
		"made-up code": {`{"code":"root","message":"\u001b[2J"}` + "\n", fault.Internal},
		"long message": {`{"code":"conflict","message":"` + strings.Repeat("x", 100_000) + `"}` + "\n", fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			parcel, err := l.git.Pack(t.Context(), workspace.PackRequest{
				Path: l.host, Mode: workspace.Shallow, Vault: filepath.Join(t.TempDir(), "v.git"),
			})
			if err != nil {
				t.Fatal(err)
			}
			host, agent := net.Pipe()
			go func() { _, _ = io.WriteString(agent, tc.answer); _ = agent.Close() }()
			err = parcel.Send(t.Context(), host, operation.Discard{})
			if !errors.Is(err, tc.want) || len(err.Error()) > 2000 || strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("Send = %.3000v; want %s", err, tc.want)
			}
			if err := errors.Join(host.Close(), parcel.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTreesThatNoPatchMayHave are made with git's plumbing in the guest.
func TestTreesThatNoPatchMayHave(t *testing.T) {
	for _, name := range []string{".git", ".GIT", ".git ", "git~1", ".g\u200cit", "..", "."} {
		t.Run(name, func(t *testing.T) {
			l := prepared(t)
			blob := strings.TrimSpace(gittest.Git(t, l.guest, "hash-object", "-w", "a"))
			tree := rawTree(t, l.guest, name, blob)
			err := hostile(t, l, hostgit.DefaultLimits(), func(c net.Conn, in *bufio.Reader) {
				_ = agentrpc.WriteLine(c, agentrpc.WorkspaceAnswer{Snapshot: &agentrpc.WorkspaceSnapshot{
					Repos: []agentrpc.WorkspaceRepo{{Format: "sha1", Tree: tree}},
				}})
				var want agentrpc.WorkspaceWant
				_ = agentrpc.ReadLine(in, &want)
				pack, _ := gittest.TryIn(l.guest, tree+"\n", "pack-objects", "--revs", "--stdout", "-q")
				w := agentrpc.ChunkWriter{W: c}
				_, _ = io.WriteString(w, pack)
				_ = w.End()
			})
			if !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Unavailable) {
				t.Errorf("a tree with %q: %v", name, err)
			}
		})
	}
}

// rawTree makes a tree that git mktree would refuse.
func rawTree(t *testing.T, dir, name, blob string) string {
	t.Helper()
	raw := make([]byte, 0, 20)
	for i := 0; i < len(blob); i += 2 {
		raw = append(raw, unhex(blob[i])<<4|unhex(blob[i+1]))
	}
	out, err := gittest.TryIn(dir, "100644 "+name+"\x00"+string(raw), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(out)
}

func unhexed(id string) string {
	raw, _ := hex.DecodeString(id) // git's own
	return string(raw)
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
