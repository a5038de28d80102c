// Command imagepull measures cold pulls of one image, from a registry and from a docker
// archive, beside two yardsticks in the same run: skopeo copy, umoci unpack and
// mkfs.ext4 -d of the same image; and the floor, which is reading, decompressing and
// writing the same bytes. Then it pulls images that share a base. It prints medians,
// and medians of the ratios of each run. It needs no root.
//
// The floor hashes nothing, where banger verifies what comes and what it decompresses,
// and hashes the filesystem for image verify. Of a docker archive, whose layers are
// uncompressed, the floor is a copy, and hashing takes longer than that: a second floor
// hashes as much, and a docker archive is held to that one, since banger cannot do without
// the hashes. A registry's image is held to the first. What a pull does beyond that floor is
// mostly to read the layers twice, since all must be known before the first file is
// written, and to allocate a buffer for each file in the conversion to ext4. Beside other work, the CPU time is what to look at: a pull has two
// CPUs busy, and the floor one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "imagepull:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) (err error) {
	flags := flag.NewFlagSet("imagepull", flag.ContinueOnError)
	root := flags.String("tar", "", "a root filesystem's tar")
	runs := flags.Int("runs", 5, "how often each is measured")
	shared := flags.Int("shared", 20, "how many images share a base; 0 leaves them out")
	serveDir := flags.String("serve", "", "only serve this OCI layout as a registry, until stdin ends")
	switch err := flags.Parse(args); {
	case err != nil:
		return err
	case *serveDir != "":
		return serve(ctx, out, *serveDir)
	case *root == "" || *runs < 1:
		return errors.New("usage: imagepull -tar FILE [-runs N] [-shared N]")
	}
	dir, err := os.MkdirTemp("", "imagepull-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := writeImages(filepath.Join(dir, "layout"), *root, *shared); err != nil {
		return err
	}
	r, err := startRegistry(ctx, filepath.Join(dir, "layout"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	archive, err := r.archive(ctx, filepath.Join(dir, "docker.tar"))
	if err != nil {
		return err
	}
	var pulled used
	for _, s := range []source{archive, r.image()} {
		if pulled, err = s.compare(ctx, out, dir, *runs); err != nil {
			return err
		}
	}
	if *shared == 0 {
		return nil
	}
	return r.pullShared(ctx, out, dir, *shared, pulled)
}
