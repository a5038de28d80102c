//go:build e2e

package e2e

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/e2e/fixture"
)

// imageKind is an image of busybox, with more files and a configuration.
type imageKind struct {
	more   []fixture.Entry
	config v1.Config
}

// imageKinds are the images that scripts make with "mkimage".
func imageKinds() map[string]imageKind {
	return map[string]imageKind{
		"configured": {configuredFiles(), v1.Config{
			Env: []string{"PATH=/bin", "FROM_IMAGE=yes", "HOME=/srv/home"}, User: "guest", WorkingDir: "app/dir",
			Entrypoint: []string{"/bin/sh", "-c", `echo "entry $0 $1 $(id -un) $PWD $FROM_IMAGE"; exit 3`}, Cmd: []string{"one", "two"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		}},
	}
}

// configuredFiles are what an image's author puts where a VM has something as well.
func configuredFiles() []fixture.Entry {
	run := fixture.Dir("run/postgresql", 0o2775)
	run.Uid, run.Gid = 101, 105
	return []fixture.Entry{
		fixture.Dir("run", 0o755), run, fixture.Dir("run/lock", 0o1777), fixture.Dir("run/tmp", 0o1777),
		fixture.Symlink("var/lock", "/run/lock"), fixture.Symlink("var/run", "/run"), fixture.Symlink("var/tmp", "/run/tmp"),
		fixture.Dir("data", 0o755), fixture.Dir("data/docker", 0o711), fixture.File("data/docker/pre", 0o640, "loaded\n"),
		fixture.Dir("var/lib", 0o755), fixture.Symlink("var/lib/docker", "/data/docker"),
		fixture.Dir("srv/home", 0o777), fixture.Dir("run/modules", 0o755), fixture.Dir("lib", 0o755), fixture.Symlink("lib/modules", "/run/modules"),
	}
}

// cmdMkimage writes an image as an OCI layout.
func cmdMkimage(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "mkimage KIND DIR")
	kind, ok := imageKinds()[args[0]]
	if !ok {
		ts.Fatalf("no image called %q", args[0])
	}
	ts.Check(writeImage(context.Background(), kind, ts.MkAbs(args[1])))
}

func writeImage(ctx context.Context, kind imageKind, dir string) error {
	entries, err := fixture.Busybox(ctx)
	if err != nil {
		return err
	}
	img, err := buildImage("amd64", append(entries, kind.more...))
	if err != nil {
		return err
	}
	if img, err = mutate.Config(img, kind.config); err != nil {
		return err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the layout %s: %w", dir, err)
	}
	return path.AppendImage(img)
}
