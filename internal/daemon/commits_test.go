package daemon

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	crashStageEnv = "BANGER_TEST_CRASH_STAGE"
	crashDirEnv   = "BANGER_TEST_CRASH_DIR"
)

// killer is a Progress that ends the process at a stage.
type killer struct {
	operation.Discard
	stage string
	seen  []string
}

func (k *killer) Stage(name string) {
	k.seen = append(k.seen, name)
	if name == k.stage {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

type noUsers struct{}

func (noUsers) ImageUsers(context.Context, string) ([]string, error) { return nil, nil }

// imagesIn is the catalog of a state directory. What the store calls last ends the
// process too, at the stage after.
func imagesIn(dirs statedir.Dirs, killed bool) *image.Service {
	log := slog.New(slog.DiscardHandler)
	var store image.Store = imagestore.New(dirs, log)
	if killed {
		store = killedAfterCommit{store}
	}
	return imagesOf(dirs, store, log)
}

func imagesOf(dirs statedir.Dirs, store image.Store, log *slog.Logger) *image.Service {
	client := oci.NewClient(dirs.Blobs(), oci.Options{Log: log})
	service := image.NewService(store, client, rootfs.Images{}, noUsers{}, time.Now, log)
	service.UseLayers(imageLayers{client})
	service.UseArchives(imageArchives{service, client})
	return service
}

// killedAfterCommit ends the process when a staged image has taken its place.
type killedAfterCommit struct{ image.Store }

func (k killedAfterCommit) Stage(ctx context.Context, id string) (image.Staging, error) {
	staging, err := k.Store.Stage(ctx, id)
	return killedStaging{staging}, err
}

type killedStaging struct{ image.Staging }

func (k killedStaging) Commit(m image.Manifest) error {
	err := k.Staging.Commit(m)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	return err
}

// baseImage makes the image "base" with one file.
func baseImage(t *testing.T, dirs statedir.Dirs) {
	t.Helper()
	var raw bytes.Buffer
	tw := tar.NewWriter(&raw)
	for _, hdr := range []tar.Header{{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, {Typeflag: tar.TypeReg, Name: "etc/motd", Mode: 0o644, Size: 2}} {
		if err := tw.WriteHeader(&hdr); err != nil {
			t.Fatal(err)
		}
		if hdr.Size > 0 {
			if _, err := io.WriteString(tw, "hi"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	store := imagestore.New(dirs, slog.New(slog.DiscardHandler))
	st, err := store.Stage(t.Context(), "aaaaaaaaaaaa")
	if err != nil {
		t.Fatal(err)
	}
	made, err := rootfs.Images{}.Write(t.Context(), &raw, st.RootfsPath(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(image.Manifest{
		Format: image.ManifestFormat, ID: "aaaaaaaaaaaa", Names: []image.Name{{Name: "base"}}, RootfsBytes: made.Bytes, Architecture: "amd64", OS: "linux",
		Config: image.Config{Cmd: []string{"sh"}},
	}); err != nil {
		t.Fatal(err)
	}
}

func commitIn(ctx context.Context, dirs statedir.Dirs, images *image.Service, p operation.Progress) (image.Image, error) {
	req := image.CommitRequest{VM: "web", Base: "aaaaaaaaaaaa", Name: "ready"}
	return commits{images}.Commit(ctx, req, filepath.Join(dirs.State, "disk.ext4"), nil, p)
}

// TestCommitChild is no test but a process that is killed.
func TestCommitChild(t *testing.T) {
	stage := os.Getenv(crashStageEnv)
	if stage == "" {
		t.Skip("run by TestCommitSurvivesKill")
	}
	dirs := statedir.Dirs{State: os.Getenv(crashDirEnv), Cache: os.Getenv(crashDirEnv)}
	_, err := commitIn(t.Context(), dirs, imagesIn(dirs, stage == "after"), &killer{stage: stage})
	t.Fatalf("it was not killed: %v", err)
}

// TestCommitSurvivesKill: a daemon killed at any stage leaves the image whole or not at
// all, and nothing staged once the next one has swept; a second try works.
func TestCommitSurvivesKill(t *testing.T) {
	for _, stage := range []string{"layer", "read", "commit", "after"} {
		t.Run(stage, func(t *testing.T) {
			dirs := statedir.Dirs{State: t.TempDir()}
			dirs.Cache = dirs.State
			baseImage(t, dirs)
			disk := ext4test.Make(t, "mkdir system", "cd system", "mkdir upper", "cd upper", "mkdir srv", "mkdir etc", "cd etc", "symlink new motd")
			if err := os.Rename(disk, filepath.Join(dirs.State, "disk.ext4")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCommitChild$")
			cmd.Env = append(os.Environ(), crashStageEnv+"="+stage, crashDirEnv+"="+dirs.State)
			out, err := cmd.CombinedOutput()
			if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("%v\n%s", err, out)
			}
			images := imagesIn(dirs, false)
			if err := images.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left, err := filepath.Glob(filepath.Join(dirs.Images(), "*"+statedir.StagingSuffix)); err != nil || len(left) != 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			if _, err := images.Get(t.Context(), "base"); err != nil {
				t.Errorf("the base is gone: %v", err)
			}
			m, err := images.Get(t.Context(), "ready")
			if stage != "after" {
				if err == nil {
					t.Fatal("half an image has the name")
				}
				seen := &killer{}
				if m, err = commitIn(t.Context(), dirs, images, seen); strings.Join(seen.seen, " ") != "layer read commit" {
					t.Errorf("stages %v", seen.seen)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := filesOf(t, dirs.Image(m.ID).Rootfs()); got != "./ etc/ etc/motd etc/new srv/" || m.Config.Cmd[0] != "sh" {
				t.Errorf("the image has %q, %v", got, m.Config)
			}
			if _, err := images.Verify(t.Context(), m.ID, operation.Discard{}); err != nil || len(m.Layers) != 1 {
				t.Errorf("%d layers, %v", len(m.Layers), err)
			}
		})
	}
}

func filesOf(t *testing.T, path string) string {
	t.Helper()
	var raw bytes.Buffer
	if err := guesttree.WriteTar(t.Context(), &raw, guesttree.Source{Image: ext4test.Open(t, path)}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for tr := tar.NewReader(&raw); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, hdr.Name)
	}
}

// TestCommitOverAnImageThatChanged: the VM's files are changes to the image as it was.
func TestCommitOverAnImageThatChanged(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir()}
	baseImage(t, dirs)
	if err := os.Rename(ext4test.Make(t, "mkdir other"), dirs.Image("aaaaaaaaaaaa").Rootfs()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(ext4test.Make(t), filepath.Join(dirs.State, "disk.ext4")); err != nil {
		t.Fatal(err)
	}
	if _, err := commitIn(t.Context(), dirs, imagesIn(dirs, false), operation.Discard{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v, want Unavailable", err)
	}
}

// TestCommitHasNoMountPoints that the start of a VM made in it.
func TestCommitHasNoMountPoints(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	baseImage(t, dirs)
	commands := []string{"mkdir system", "cd system", "mkdir upper", "cd upper"}
	for _, dir := range []string{
		"proc", "sys", "dev", "run", "lib", "lib/modules", "lib/modules/6.1.0-9-amd64", "usr", "usr/lib", "usr/lib/modules", "usr/lib/modules/6",
		"var", "var/lib", "var/lib/docker", "var/lib/containerd", "var/lib/mine",
	} {
		commands = append(commands, "mkdir "+dir, "sif "+dir+" mode 040755")
	}
	if err := os.Rename(ext4test.Make(t, commands...), filepath.Join(dirs.State, "disk.ext4")); err != nil {
		t.Fatal(err)
	}
	m, err := commitIn(t.Context(), dirs, imagesIn(dirs, false), operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	if got := filesOf(t, dirs.Image(m.ID).Rootfs()); got != "./ etc/ etc/motd var/ var/lib/ var/lib/mine/" {
		t.Errorf("the image has %q", got)
	}
}

// TestCommitThatFailsLeavesNothing: the filesystem's writer and the reader of the disk
// end together.
func TestCommitThatFailsLeavesNothing(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir()}
	baseImage(t, dirs)
	disk := ext4test.Make(t, "mkdir system", "cd system", "mkdir upper", "cd upper", "mkdir a", "cd a", "ln /system/upper/a b")
	if err := os.Rename(disk, filepath.Join(dirs.State, "disk.ext4")); err != nil {
		t.Fatal(err)
	}
	if _, err := commitIn(t.Context(), dirs, imagesIn(dirs, false), operation.Discard{}); err == nil || !strings.Contains(err.Error(), "is in itself") {
		t.Errorf("%v", err)
	}
	entries, err := os.ReadDir(dirs.Images())
	if err != nil || len(entries) != 2 { // the base, and the copy of its manifest
		t.Errorf("left: %v, %v", entries, err)
	}
}
