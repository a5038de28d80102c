package workspace

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/agent/regular"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gittree"
)

const (
	// maxLinked bounds the linked work trees that are looked at.
	maxLinked = 20
	// maxPointer bounds the file that says where one is, in bytes.
	maxPointer = 8 << 10
)

// linked names the work trees that git worktree add made of a repository, and
// that have changes which are neither committed nor, because they are below the
// repository's own work tree, in the snapshot.
func (c *collection) linked(ctx context.Context, snap gittree.Snapshot) []string {
	if snap.GitDir != snap.CommonDir {
		return nil // one of them itself
	}
	entries, err := os.ReadDir(filepath.Join(snap.CommonDir, "worktrees"))
	if err != nil {
		return nil
	}
	var changed []string
	for _, entry := range entries[:min(len(entries), maxLinked)] {
		own := filepath.Join(snap.CommonDir, "worktrees", entry.Name())
		pointer := filepath.Join(own, "gitdir")
		gitFile, err := regular.Read(pointer, maxPointer)
		if err != nil {
			continue
		}
		top := filepath.Dir(strings.TrimSuffix(string(gitFile), "\n"))
		if !filepath.IsAbs(top) {
			top = filepath.Join(own, top)
		}
		if below, err := filepath.Rel(snap.Top, top); err == nil && slices.Contains(snap.Nested, below) {
			continue
		}
		if info, err := os.Stat(top); err != nil || !info.IsDir() {
			continue // it was removed
		}
		status := &anything{}
		err = c.git.Run(ctx, gittree.Cmd{Dir: top, Stdout: status, Args: []string{"status", "--porcelain", "-z"}})
		if err != nil || status.any { // what cannot be seen may have some
			changed = append(changed, agentrpc.LinkedWorkTree+top)
		}
	}
	return changed
}

// anything sees whether something is written.
type anything struct{ any bool }

func (a *anything) Write(p []byte) (int, error) {
	a.any = a.any || len(bytes.TrimSpace(p)) > 0
	return len(p), nil
}
