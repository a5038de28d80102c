package daemon

import (
	"archive/tar"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/statedir"
)

type quietProgress struct{ operation.Progress }

func (quietProgress) Stage(string)               {}
func (quietProgress) Detail(string, ...any)      {}
func (quietProgress) Count(int64, int64, string) {}

// TestNoVMOfAForeignImage: it is kept, and a VM is refused with a way out.
func TestNoVMOfAForeignImage(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "root.tar"))
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(f)
	if err := errors.Join(tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}), tw.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	dirs := statedir.Dirs{State: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache")}
	quiet := slog.New(slog.DiscardHandler)
	service := image.NewService(imagestore.New(dirs, quiet), oci.NewClient(dirs.Blobs(), oci.Options{}), rootfs.Images{}, nil, time.Now, quiet)
	service.UseCatalogs(nil, runtime.GOARCH)
	m, err := service.Pull(t.Context(), image.PullRequest{Ref: "tar:" + f.Name(), Name: "mainframe", Platform: "linux/s390x"}, quietProgress{})
	if err != nil || m.Architecture != "s390x" {
		t.Fatalf("%+v, %v", m.Manifest, err)
	}
	_, err = images{service}.Resolve(t.Context(), "mainframe", "", quietProgress{})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "linux/s390x, and this host is") || fault.HintOf(err).String() == "" {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
}
