package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// What a workspace is measured with: as many files, together 1 GiB.
const (
	treeFiles     = 50_000
	treeFileBytes = (1 << 30) / treeFiles
	diffFiles     = 500
	diffFileBytes = (10 << 20) / diffFiles
)

// workspace compares putting a large repository into a guest with rsync -a and
// with git's own transfer and checkout, through the same agent channel, and an
// export with git diff there. Times are of one run each: they take minutes.
func (b *bench) workspace(ctx context.Context) error {
	image, err := b.cache.Path(ctx, "debian-dev.tar")
	if err != nil {
		return err
	}
	if _, err := b.banger(ctx, "image", "pull", "tar:"+image, "--name", "git"); err != nil {
		return err
	}
	repo := filepath.Join(b.dir, "repo")
	if err := b.largeRepo(ctx, repo); err != nil {
		return err
	}
	if _, err := b.banger(ctx, "vm", "create", "--name", "ws", "--image", "git", "--memory", "2GiB", "--disk", "16GiB"); err != nil {
		return err
	}
	config, err := b.sshConfig(ctx, "ws")
	if err != nil {
		return err
	}
	ours, err := b.timedBanger(ctx, "vm", "workspace", "prepare", "ws", repo)
	if err != nil {
		return err
	}
	b.note("workspace prepare", ours)
	rsync, err := b.timed(ctx, "rsync", "-a", "-e", "ssh -F "+config, repo+"/", "ws:/root/rsync/")
	if err != nil {
		return err
	}
	b.note("rsync -a", rsync)
	clone, err := b.timed(ctx, "sh", "-ec", `ssh -F "$1" ws git init -q /root/clone
		git -C "$2" -c core.sshCommand="ssh -F $1" push -q ws:/root/clone HEAD:refs/heads/sent
		ssh -F "$1" ws git -C /root/clone checkout -q sent`, "sh", config, repo)
	if err != nil {
		return err
	}
	b.note("git push and checkout", clone)
	faster := min(rsync, clone)
	if err := b.report("workspace prepare, 50,000 files, 1 GiB", "the faster of rsync and git", 1, []pair{{ours, faster}}); err != nil {
		return err
	}
	if err := b.export(ctx, config); err != nil {
		return err
	}
	_, err = b.banger(ctx, "vm", "delete", "--force", "ws")
	return err
}

// note prints a figure at once: the whole measurement takes long.
func (b *bench) note(what string, took time.Duration) {
	_, _ = fmt.Fprintf(b.out, "%s %s\n", what, took.Round(time.Millisecond))
}

func (b *bench) largeRepo(ctx context.Context, repo string) error {
	data := make([]byte, treeFileBytes)
	for i := range treeFiles {
		dir := filepath.Join(repo, "d"+strconv.Itoa(i/200))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		_, _ = rand.Read(data) // never fails, by its contract
		if err := os.WriteFile(filepath.Join(dir, "f"+strconv.Itoa(i)), data, 0o644); err != nil {
			return err
		}
	}
	_, err := b.timed(ctx, "sh", "-ec", `cd "$1"; git init -q; git -c core.compression=0 add -A
		git -c user.name=bench -c user.email=bench@localhost commit -qm large; git repack -adq --window=0`, "sh", repo)
	return err
}

// export changes 10 MB in the guest, and compares an export with git diff.
func (b *bench) export(ctx context.Context, config string) error {
	change := fmt.Sprintf("cd /root/repo; git ls-files | head -%d | while read f; do head -c %d /dev/urandom | base64 > $f; done; git status --porcelain | wc -l",
		diffFiles, diffFileBytes)
	if _, err := b.banger(ctx, "vm", "exec", "ws", "--", "sh", "-c", change); err != nil {
		return err
	}
	ours := func() (time.Duration, error) {
		return b.timedBanger(ctx, "vm", "workspace", "export", "ws", "--output", filepath.Join(b.dir, "patch"))
	}
	yardstick := func() (time.Duration, error) {
		return b.timed(ctx, "sh", "-c", `ssh -F "$1" ws git -C /root/repo diff --binary HEAD > "$2"`, "sh", config, filepath.Join(b.dir, "diff"))
	}
	if _, err := interleaved(1, ours, yardstick); err != nil { // warm both
		return err
	}
	pairs, err := interleaved(max(3, b.pairs/2), ours, yardstick)
	if err != nil {
		return err
	}
	slices.SortFunc(pairs, func(a, c pair) int { return int(a.ours - c.ours) })
	return b.report("workspace export, a 10 MB diff", "ssh git diff --binary", 1.2, pairs)
}
