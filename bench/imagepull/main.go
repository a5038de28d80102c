// Command imagepull measures a cold `image pull` from an in-process registry
// against two yardsticks in the same run: skopeo copy, umoci unpack and mkfs.ext4 -d
// of the same image, and reading, decompressing and writing the same bytes. It prints
// medians and ratios. It needs no root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/statedir"
)

func main() {
	root := flag.String("tar", "", "a root filesystem's tar")
	runs := flag.Int("runs", 5, "how often each is measured")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *root, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "imagepull:", err)
		os.Exit(1)
	}
}

// bench is one image, in a registry and in a layout on disk.
type bench struct {
	dir, ref, layout, blob string
	server                 *httptest.Server
	pulled                 *image.Service // by the last pull; its directory goes with the run
}

func run(ctx context.Context, out io.Writer, root string, runs int) (err error) {
	if root == "" {
		return errors.New("which tar? -tar FILE")
	}
	b, err := prepare(root)
	if err != nil {
		return err
	}
	defer func() {
		b.server.Close()
		err = errors.Join(err, os.RemoveAll(b.dir))
	}()
	tasks := []struct {
		name string
		run  func(context.Context, string) error
	}{
		{"banger image pull", b.pull},
		{"skopeo + umoci unpack + mkfs.ext4 -d", b.umoci},
		{"read + decompress + write (floor)", b.floor},
	}
	times := make([][]time.Duration, len(tasks))
	var warm []time.Duration // over listing
	for i := range runs {
		for t, task := range tasks {
			dir := filepath.Join(b.dir, fmt.Sprintf("run-%d-%d", i, t))
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			_ = exec.CommandContext(ctx, "sync").Run() // the run before's writes are not ours
			start := time.Now()
			if err := task.run(ctx, dir); err != nil {
				return fmt.Errorf("%s: %w", task.name, err)
			}
			times[t] = append(times[t], time.Since(start))
			if t == 0 {
				again, listing, err := b.warm(ctx)
				if err != nil {
					return err
				}
				warm = append(warm, again-listing)
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	medians := make([]time.Duration, len(tasks))
	for t, task := range tasks {
		slices.Sort(times[t])
		medians[t] = times[t][runs/2]
		fmt.Fprintf(out, "%-36s median %6.3f s of %d (%.3f to %.3f)\n", task.name, medians[t].Seconds(), runs,
			times[t][0].Seconds(), times[t][runs-1].Seconds())
	}
	fmt.Fprintf(out, "pull / (skopeo + umoci + mkfs)  %.2f  (wanted: at most 0.3)\n", medians[0].Seconds()/medians[1].Seconds())
	fmt.Fprintf(out, "pull / floor                    %.2f  (wanted: at most 1.5)\n", medians[0].Seconds()/medians[2].Seconds())
	slices.Sort(warm)
	fmt.Fprintf(out, "warm pull - listing  %.1f ms  (wanted: at most 50)\n", float64(warm[runs/2].Microseconds())/1000)
	return nil
}

func prepare(root string) (*bench, error) {
	dir, err := os.MkdirTemp("", "imagepull-")
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromFile(root, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(ociImage(), l)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	b := &bench{dir: dir, layout: filepath.Join(dir, "layout")}
	path, err := layout.Write(b.layout, empty.Index)
	if err != nil {
		return nil, err
	}
	if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "bench"})); err != nil {
		return nil, err
	}
	digest, err := l.Digest()
	if err != nil {
		return nil, err
	}
	b.blob = filepath.Join(b.layout, "blobs", digest.Algorithm, digest.Hex)
	return b, b.serve(img)
}

func ociImage() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}

func (b *bench) serve(img v1.Image) error {
	if err := os.Mkdir(filepath.Join(b.dir, "registry"), 0o700); err != nil {
		return err
	}
	b.server = httptest.NewServer(registry.New(
		registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(registry.NewDiskBlobHandler(filepath.Join(b.dir, "registry")))))
	b.ref = strings.TrimPrefix(b.server.URL, "http://") + "/debian:bench"
	ref, err := name.ParseReference(b.ref)
	if err != nil {
		return err
	}
	return remote.Write(ref, img, remote.WithTransport(http.DefaultTransport))
}

func (b *bench) pull(ctx context.Context, dir string) error {
	dirs := statedir.Dirs{State: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache")}
	quiet := slog.New(slog.DiscardHandler)
	service := image.NewService(imagestore.New(dirs, quiet), oci.NewClient(dirs.Blobs(), oci.Options{}), rootfs.Images{}, nobody{}, time.Now, quiet)
	if _, err := service.Pull(ctx, image.PullRequest{Ref: b.ref}, silent{}); err != nil {
		return err
	}
	b.pulled = service
	return nil
}

// warm pulls what was pulled last once more, and lists the images.
func (b *bench) warm(ctx context.Context) (again, listing time.Duration, err error) {
	start := time.Now()
	if _, err := b.pulled.Pull(ctx, image.PullRequest{Ref: b.ref}, silent{}); err != nil {
		return 0, 0, err
	}
	again, start = time.Since(start), time.Now()
	_, err = b.pulled.List(ctx)
	return again, time.Since(start), err
}

func (b *bench) umoci(ctx context.Context, dir string) error {
	from, bundle, disk := filepath.Join(dir, "layout")+":bench", filepath.Join(dir, "bundle"), filepath.Join(dir, "rootfs.ext4")
	if err := command(ctx, "skopeo", "copy", "-q", "--src-tls-verify=false", "docker://"+b.ref, "oci:"+from); err != nil {
		return err
	}
	unpack := []string{"unpack", "--image", from, bundle}
	if os.Geteuid() != 0 {
		unpack = append([]string{"unpack", "--rootless"}, unpack[1:]...)
	}
	if err := command(ctx, "umoci", unpack...); err != nil {
		return err
	}
	return command(ctx, "mkfs.ext4", "-q", "-F", "-d", filepath.Join(bundle, "rootfs"), disk, "2G")
}

func (b *bench) floor(_ context.Context, dir string) (err error) {
	in, err := os.Open(b.blob)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	zr, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(dir, "floor.tar"))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, zr)
	return errors.Join(err, out.Sync(), out.Close())
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
