package workspace_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/workspace"
	"github.com/bangervm/banger/internal/agentrpc"
)

// inNamespaceEnv is set in the process that may mount.
const inNamespaceEnv = "BANGER_TEST_MOUNTS"

// mounting runs the test once more, in separate user and mount namespaces,
// and returns true there.
func mounting(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespaceEnv) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespaceEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if _, ran := errors.AsType[*exec.ExitError](err); !ran && os.Getenv("BANGER_TEST_REQUIRE") != "1" {
		t.Skipf("no namespaces here: %v", err)
	}
	t.Fatalf("%v\n%s", err, out)
	return false
}

// disk mounts a filesystem of 24 MiB.
func disk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"+options); err != nil {
		if errors.Is(err, os.ErrPermission) && os.Getenv("BANGER_TEST_REQUIRE") != "1" {
			t.Skipf("no mounts in namespaces here: %v", err)
		}
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// send puts a tree of n files of the given size, and returns the agent's answer.
func send(t *testing.T, req agentrpc.WorkspaceRequest, n, size int) agentrpc.WorkspaceAnswer {
	t.Helper()
	host, agent := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		workspace.Server{Log: slog.New(slog.DiscardHandler)}.Serve(context.Background(), req, bufio.NewReader(agent), agent)
		_ = agent.Close()
	}()
	go func() {
		tree := agentrpc.NewTreeWriter(host)
		for i := range n {
			e := agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: fmt.Sprintf("d%d/f%d", i/10, i), Mode: 0o644, Size: int64(size)}
			if tree.Entry(e, io.LimitReader(zeros{}, e.Size)) != nil {
				return
			}
		}
		_ = tree.End()
	}()
	var answer agentrpc.WorkspaceAnswer
	if err := agentrpc.ReadLine(bufio.NewReader(host), &answer); err != nil {
		t.Error(err)
	}
	_ = host.Close()
	<-done
	return answer
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A host that knows less than it sends gets past the look at the free space.
func TestAFullDiskLeavesNothingHalfWritten(t *testing.T) {
	if !mounting(t) {
		return
	}
	for name, tc := range map[string]struct {
		options string
		n, size int
	}{
		"in the middle of the only file": {"", 1, 40 << 20},
		"in the middle of many":          {"", 4000, 10_000},
		"no inodes for a file":           {",nr_inodes=60", 57, 10},
		"no inodes for a directory":      {",nr_inodes=53", 200, 10},
	} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, replacing %v", name, replaced), func(t *testing.T) {
				dir := disk(t, tc.options)
				req := agentrpc.WorkspaceRequest{
					Verb: agentrpc.WorkspacePut, Path: filepath.Join(dir, "repo"), Format: "sha1", Files: 1, Bytes: 3 << 20, Replace: replaced,
				}
				want := ""
				if replaced {
					want = "repo repo/old"
					if err := errors.Join(os.Mkdir(req.Path, 0o755), os.WriteFile(filepath.Join(req.Path, "old"), []byte("old"), 0o644)); err != nil {
						t.Fatal(err)
					}
				}
				answer := send(t, req, tc.n, tc.size)
				for _, part := range []string{"the guest's disk is full", "no space left", "1 files of 3 MiB", " of 24 MiB", "inodes are free"} {
					if answer.Code != "unavailable" || !strings.Contains(answer.Message, part) {
						t.Errorf("answer %+v; want unavailable, with %q", answer, part)
					}
				}
				if left := below(t, dir); left != want {
					t.Errorf("left behind: %q, want %q", left, want)
				}
				if answer := send(t, req, 2, 10); answer.Code != "" {
					t.Errorf("what fits, afterwards: %+v", answer)
				}
				if left := below(t, dir); left != "repo repo/d0 repo/d0/f0 repo/d0/f1" {
					t.Errorf("then there is %q", left)
				}
			})
		}
	}
}

// What is said beforehand is not begun.
func TestAWorkspaceThatDoesNotFitIsNotBegun(t *testing.T) {
	if !mounting(t) {
		return
	}
	for want, req := range map[string]agentrpc.WorkspaceRequest{
		"needs 56 MiB, and 24 MiB are free":                                {Bytes: 40 << 20},
		"not enough inodes on the guest's disk for 100 files: 19 are free": {Files: 100},
	} {
		dir := disk(t, ",nr_inodes=20")
		req.Verb, req.Path, req.Format = agentrpc.WorkspacePut, filepath.Join(dir, "repo"), "sha1"
		if answer := send(t, req, 1, 1); answer.Code != "unavailable" || !strings.Contains(answer.Message, want) {
			t.Errorf("answer %+v; want %q", answer, want)
		}
		if left := below(t, dir); left != "" {
			t.Errorf("left behind: %q", left)
		}
	}
}

// The caller is told what is wrong with a place, and nothing is left there.
func TestPlacesWhereNothingCanBePut(t *testing.T) {
	if !mounting(t) {
		return
	}
	mounted, readOnly := disk(t, ""), disk(t, ",ro")
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		mounted:                                               "is a mount point",
		filepath.Join(readOnly, "repo"):                       "read-only filesystem",
		filepath.Join(outside, "file"):                        "is not a directory",
		filepath.Join(outside, "file", "repo"):                "is below something that is not a directory",
		filepath.Join(outside, "file", "deep", "repo"):        "is below something that is not a directory",
		filepath.Join(outside, strings.Repeat("a", 250)):      "too long",
		filepath.Join(outside, strings.Repeat("a", 300), "x"): "too long",
		"/run/repo": "lost when the VM stops",
	} {
		req := agentrpc.WorkspaceRequest{Verb: agentrpc.WorkspacePut, Path: path, Format: "sha1", Files: 1, Replace: true}
		if answer := send(t, req, 1, 1); answer.Code != "invalid" || !strings.Contains(answer.Message, want) {
			t.Errorf("to %.60s: %+v; want invalid, with %q", path, answer, want)
		}
	}
	if left := below(t, outside); left != "file" {
		t.Errorf("left behind: %q", left)
	}
	if left := below(t, filepath.Dir(mounted)); strings.Contains(left, stagingMark) {
		t.Errorf("left behind: %q", left)
	}
}

const stagingMark = "banger-staging"

// below lists what is in a directory.
func below(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if rel, relErr := filepath.Rel(dir, path); relErr == nil && rel != "." {
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
