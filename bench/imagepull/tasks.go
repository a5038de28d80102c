package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/statedir"
)

// puller is what bangerd pulls with, and nothing of another pull.
type puller struct{ *image.Service }

func newPuller(dir string) puller {
	dirs := statedir.Dirs{State: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache")}
	quiet := slog.New(slog.DiscardHandler)
	return puller{image.NewService(imagestore.New(dirs, quiet), oci.NewClient(dirs.Blobs(), oci.Options{}), rootfs.Images{}, nobody{}, time.Now, quiet)}
}

func (p puller) pull(ctx context.Context, ref, name string) error {
	_, err := p.Pull(ctx, image.PullRequest{Ref: ref, Name: name}, silent{})
	return err
}

// warm pulls what was pulled once more, and returns by how much that takes longer than
// to list the images.
func (p puller) warm(ctx context.Context, ref string) (time.Duration, error) {
	start := time.Now()
	if err := p.pull(ctx, ref, "bench"); err != nil {
		return 0, err
	}
	again, start := time.Since(start), time.Now()
	_, err := p.List(ctx)
	return again - time.Since(start), err
}

// umoci makes the filesystem with other tools.
func umoci(ctx context.Context, ref, dir string) error {
	from, bundle, disk := filepath.Join(dir, "layout")+":bench", filepath.Join(dir, "bundle"), filepath.Join(dir, "rootfs.ext4")
	if err := command(ctx, "skopeo", "copy", "-q", "--src-tls-verify=false", ref, "oci:"+from); err != nil {
		return err
	}
	unpack := []string{"unpack"}
	if os.Geteuid() != 0 {
		unpack = append(unpack, "--rootless")
	}
	if err := command(ctx, "umoci", append(unpack, "--image", from, bundle)...); err != nil {
		return err
	}
	return command(ctx, "mkfs.ext4", "-q", "-F", "-d", filepath.Join(bundle, "rootfs"), disk, "2G")
}

// floor reads, decompresses and writes the bytes of a source.
func floor(path, dir string) error { return rewrite(path, dir, false) }

// hashedFloor also hashes what banger does: what comes, what it is decompressed, and
// the file that is made.
func hashedFloor(path, dir string) error { return rewrite(path, dir, true) }

func rewrite(path, dir string, hash bool) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	raw := io.Reader(in)
	if hash {
		raw = io.TeeReader(in, sha256.New())
	}
	plain := raw
	if filepath.Ext(path) != ".tar" {
		if plain, err = gzip.NewReader(raw); err != nil {
			return err
		}
		if hash {
			plain = io.TeeReader(plain, sha256.New())
		}
	}
	out, err := os.Create(filepath.Join(dir, "floor.tar"))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, plain)
	err = errors.Join(err, out.Sync())
	if hash && err == nil {
		_, err = io.Copy(sha256.New(), io.NewSectionReader(out, 0, 1<<62))
	}
	return errors.Join(err, out.Close())
}

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

type nobody struct{}

func (nobody) ImageUsers(context.Context, string) ([]string, error) { return nil, nil }

type silent struct{}

func (silent) Stage(string)               {}
func (silent) Detail(string, ...any)      {}
func (silent) Count(int64, int64, string) {}
