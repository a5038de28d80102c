package daemon

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	crashWorkEnv = "BANGER_TEST_CRASH_WORK"
	crashRefEnv  = "BANGER_TEST_CRASH_REF"
)

// afterCommit stands for the instant after the last stage, when a new image is in its
// place and those that lose a name still have it.
const afterCommit = "after commit"

// pullingIn is the catalog of directories, with a source of images.
func pullingIn(dirs statedir.Dirs, stage string) *image.Service {
	quiet := slog.New(slog.DiscardHandler)
	var store image.Store = imagestore.New(dirs, quiet)
	if stage == afterCommit {
		store = killedAfterCommit{store}
	}
	return imagesOf(dirs, store, quiet)
}

// imageWork is what is done to an image until it is killed.
func imageWork(ctx context.Context, work, ref string, images *image.Service, p operation.Progress) (image.Image, error) {
	switch work {
	case "pull":
		return images.Pull(ctx, image.PullRequest{Ref: ref, Name: "x"}, p)
	case "replace":
		return images.Pull(ctx, image.PullRequest{Ref: ref, Name: "base", Replace: true}, p)
	case "register":
		return images.Register(ctx, image.RegisterRequest{Name: "x", Rootfs: ref}, p)
	case "promote":
		return images.Promote(ctx, "mine", p)
	default:
		done, err := images.Repair(ctx, "pulled", p)
		return done.Image, err
	}
}

// TestImageChild is no test but a process that is killed.
func TestImageChild(t *testing.T) {
	work := os.Getenv(crashWorkEnv)
	if work == "" {
		t.Skip("run by TestImagesSurviveKill")
	}
	stage := os.Getenv(crashStageEnv)
	dirs := statedir.Dirs{State: os.Getenv(crashDirEnv), Cache: os.Getenv(crashDirEnv)}
	_, err := imageWork(t.Context(), work, os.Getenv(crashRefEnv), pullingIn(dirs, stage), &killer{stage: stage})
	t.Fatalf("it was not killed: %v", err)
}

// servedImage serves an image with one directory.
func servedImage(t *testing.T) (ref string, stop func()) {
	t.Helper()
	var raw bytes.Buffer
	tw := tar.NewWriter(&raw)
	err := errors.Join(tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}), tw.Close())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(raw.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err == nil {
		config = config.DeepCopy()
		config.OS, config.Architecture = "linux", runtime.GOARCH
		img, err = mutate.ConfigFile(img, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return push(t, server, img), server.Close
}

func push(t *testing.T, server *httptest.Server, img v1.Image) string {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app:1")
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

// killedIn runs the work in a child until it is killed at the stage.
func killedIn(t *testing.T, dirs statedir.Dirs, work, ref, stage string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestImageChild$")
	cmd.Env = append(os.Environ(), crashStageEnv+"="+stage, crashDirEnv+"="+dirs.State, crashWorkEnv+"="+work, crashRefEnv+"="+ref)
	out, err := cmd.CombinedOutput()
	if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestImagesSurviveKill: a daemon killed at any stage leaves each image as it was or as
// it is to be, and nothing staged once the next one has swept. A second try works.
func TestImagesSurviveKill(t *testing.T) {
	for work, stages := range map[string][]string{
		"pull":     {"resolve", "fetch", "unpack", "commit", afterCommit},
		"replace":  {"unpack", "commit", afterCommit},
		"register": {"check", "commit", afterCommit},
		"promote":  {"check", "copy", "commit"},
		"repair":   {"verify", "resolve", "fetch", "unpack", "commit"},
	} {
		for _, stage := range stages {
			t.Run(work+" at "+stage, func(t *testing.T) { surviveKill(t, work, stage) })
		}
	}
}

func surviveKill(t *testing.T, work, stage string) {
	dirs := statedir.Dirs{State: t.TempDir()}
	dirs.Cache = dirs.State
	baseImage(t, dirs)
	ref, stop := servedImage(t)
	before := pullingIn(dirs, "")
	mine := filepath.Join(t.TempDir(), "mine.ext4")
	if err := rootfs.Clone(t.Context(), dirs.Image("aaaaaaaaaaaa").Rootfs(), mine); err != nil {
		t.Fatal(err)
	}
	subject := ref
	switch work {
	case "register":
		subject = mine
	case "promote":
		if _, err := before.Register(t.Context(), image.RegisterRequest{Name: "mine", Rootfs: mine}, operation.Discard{}); err != nil {
			t.Fatal(err)
		}
	case "repair": // without its registry: from the cache
		m, err := before.Pull(t.Context(), image.PullRequest{Ref: ref, Name: "pulled"}, operation.Discard{})
		if err == nil {
			err = os.Remove(before.Rootfs(m.Manifest))
		}
		if err != nil {
			t.Fatal(err)
		}
		stop()
	}
	killedIn(t, dirs, work, subject, stage)

	images := pullingIn(dirs, "")
	if err := images.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	nothingStaged(t, dirs)
	if base, err := images.Get(t.Context(), "base"); err != nil || images.Usable(base.Manifest) != nil {
		t.Errorf("the base: %v", err)
	}
	if _, err := images.Get(t.Context(), "x"); work != "replace" && (err == nil) != (stage == afterCommit) {
		t.Errorf("the name: %v", err)
	}
	m, err := imageWork(t.Context(), work, subject, images, operation.Discard{})
	if err != nil {
		t.Fatalf("the second try: %v", err)
	}
	if _, err := images.Verify(t.Context(), m.ID, operation.Discard{}); err != nil {
		t.Errorf("after the second try: %v", err)
	}
	nothingStaged(t, dirs)
	if all, err := images.List(t.Context()); err != nil || len(all) > 2 {
		t.Errorf("there are %d images, %v", len(all), err)
	}
}

func nothingStaged(t *testing.T, dirs statedir.Dirs) {
	t.Helper()
	for _, pattern := range []string{"*", "*/*"} {
		left, err := filepath.Glob(filepath.Join(dirs.Images(), pattern+statedir.StagingSuffix))
		if err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}
