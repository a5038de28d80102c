//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/e2e/fixture"
)

// imageKind is an image of busybox, with more files and a configuration.
type imageKind struct {
	more   []fixture.Entry
	config v1.Config
}

// initScript is what images with a supervisor for containers have as /init.
const initScript = `#!/bin/sh
trap 'exit 0' USR1
trap 'exit 3' TERM
echo "$$ $0 $* $FROM_IMAGE $PWD" > /run/told
while :; do sleep 1 & wait $!; done
`

// imageKinds are the images that scripts make with "mkimage".
func imageKinds() map[string]imageKind {
	return map[string]imageKind{
		"configured": {configuredFiles(), v1.Config{
			Env: []string{"PATH=/bin", "FROM_IMAGE=yes", "HOME=/srv/home"}, User: "guest", WorkingDir: "app/dir",
			Entrypoint: []string{"/bin/sh", "-c", `echo "entry $0 $1 $(id -un) $PWD $FROM_IMAGE"; exit 3`}, Cmd: []string{"one", "two"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		}},
		"service": {[]fixture.Entry{fixture.File("serve", 0o755, serveScript), fixture.Dir("srv/state", 0o777)}, v1.Config{
			Env: []string{"PATH=/bin"}, WorkingDir: "/work", User: "guest", StopSignal: "SIGUSR1",
			Entrypoint: []string{"/serve"}, Cmd: []string{"now"},
			Healthcheck: &v1.HealthConfig{Test: []string{"CMD-SHELL", "cat /srv/state/sick 2>/dev/null && exit 1; echo fine"}, Interval: time.Second, Retries: 2},
		}},
		"web": {[]fixture.Entry{fixture.File("www/index.html", 0o644, "by name\n")}, v1.Config{
			Env: []string{"PATH=/bin"}, Cmd: []string{"httpd", "-f", "-p", "4096", "-h", "/www"},
		}},
		"s6": {[]fixture.Entry{fixture.File("init", 0o755, initScript), fixture.File("bin/s6-svscan", 0o755, "#!/bin/sh\n")}, v1.Config{
			Env: []string{"PATH=/bin", "FROM_IMAGE=yes"}, WorkingDir: "/work", StopSignal: "SIGUSR1",
			Entrypoint: []string{"/init"}, Cmd: []string{"serve", "--now"},
		}},
	}
}

// serveScript fails twice, and then serves until it is told to stop.
const serveScript = `#!/bin/sh
trap 'echo told to stop; exit 0' USR1
n=$(cat /srv/state/n || echo 0)
n=$((n+1))
echo $n > /srv/state/n
echo "serving $* as $(id -un) in $PWD, start $n"
[ $n -lt 3 ] && exit 4
while :; do sleep 1 & wait $!; done
`

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
	if args[0] == "systemd-cmd" {
		img, err := withoutInit(ts.Getenv("FIXTURES") + "/systemd-net.tar")
		ts.Check(err)
		ts.Check(writeLayout(img, v1.Config{Cmd: []string{"/lib/systemd/systemd", "--log-level=info"}, Env: []string{"container=docker", "FROM_IMAGE=yes"}}, ts.MkAbs(args[1])))
		return
	}
	kind, ok := imageKinds()[args[0]]
	if !ok {
		ts.Fatalf("no image called %q", args[0])
	}
	entries, err := fixture.Busybox(context.Background())
	ts.Check(err)
	img, err := buildImage("amd64", append(entries, kind.more...))
	ts.Check(err)
	ts.Check(writeLayout(img, kind.config, ts.MkAbs(args[1])))
}

// withoutInit is the image of a root filesystem that has systemd, but no /sbin/init.
func withoutInit(path string) (v1.Image, error) {
	files, err := tarball.LayerFromFile(path)
	if err != nil {
		return nil, err
	}
	img, err := buildImage("amd64")
	if err != nil {
		return nil, err
	}
	if img, err = mutate.AppendLayers(img, files); err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	if err := fixture.Pack(&packed, []fixture.Entry{fixture.File("usr/sbin/.wh.init", 0o644, "")}); err != nil {
		return nil, err
	}
	gone, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, gone)
}

func writeLayout(img v1.Image, config v1.Config, dir string) error {
	img, err := mutate.Config(img, config)
	if err != nil {
		return err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the layout %s: %w", dir, err)
	}
	return path.AppendImage(img)
}
