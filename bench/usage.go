package main

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const manyImages = 200

// usage compares `system df` with 200 images, of which half share the files of the others,
// with `version`, which asks the daemon too, and du of the same directories: the limit is
// three times both, since it also reads what each image is.
func (b *bench) usage(ctx context.Context) error {
	if err := b.manyImages(ctx); err != nil {
		return err
	}
	out, err := b.banger(ctx, "image", "list")
	if err != nil {
		return err
	}
	if got := strings.Count(out, "\nmany-"); got != manyImages {
		return fmt.Errorf("image list shows %d of %d images", got, manyImages)
	}
	ours := func() (time.Duration, error) { return b.timedBanger(ctx, "system", "df") }
	home := filepath.Join(b.dir, "home")
	yardstick := func() (time.Duration, error) {
		version, err := b.timedBanger(ctx, "version")
		if err != nil {
			return 0, err
		}
		du, err := b.timed(ctx, "du", "-s", home)
		return version + du, err
	}
	pairs, err := interleaved(max(31, b.pairs), ours, yardstick)
	if err != nil {
		return err
	}
	return b.report("system df, 200 images", "version, then du of the same", 3, pairs)
}

// manyImages makes them in pairs: one, and the same with a kernel for its own.
func (b *bench) manyImages(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i := range manyImages / 2 {
		group.Go(func() error {
			path := filepath.Join(b.dir, fmt.Sprintf("many-%d.tar", i))
			if err := writeTar(path, fmt.Sprintf("image %d\n", i)); err != nil {
				return err
			}
			if _, err := b.banger(groupCtx, "image", "pull", "tar:"+path, "--name", fmt.Sprintf("many-%d", i)); err != nil {
				return err
			}
			_, err := b.banger(groupCtx, "image", "pull", "tar:"+path, "--name", fmt.Sprintf("many-%d-own", i), "--kernel-ref", "debian-12")
			return err
		})
	}
	return group.Wait()
}

// writeTar writes a root filesystem with one file.
func writeTar(path, content string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // Close of the tar says more
	w := tar.NewWriter(f)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, {Typeflag: tar.TypeReg, Name: "etc/motd", Mode: 0o644, Size: int64(len(content))},
	} {
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return err
	}
	return w.Close()
}
