package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/download"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/snapshotstore"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/templatestore"
	"github.com/bangervm/banger/internal/vm"
)

type noKernels struct{}

func (noKernels) List(context.Context) ([]kernel.Manifest, error) { return nil, nil }

// someVMs is a vm.Store of which only List is used.
type someVMs struct {
	vm.Store
	all []vm.VM
}

func (s someVMs) List(context.Context) ([]vm.VM, error) { return s.all, nil }

// vmImages are the users of images: the VMs' own.
type vmImages []vm.VM

func (u vmImages) ImageUsers(_ context.Context, id string) (names []string, err error) {
	for _, v := range u {
		if v.ImageID == id {
			names = append(names, v.Name)
		}
	}
	return names, nil
}

func systemIn(dirs statedir.Dirs, vms ...vm.VM) systemFiles {
	log := slog.New(slog.DiscardHandler)
	images := image.NewService(imagestore.New(dirs, log), nil, rootfs.Images{}, vmImages(vms), time.Now, log)
	return systemFiles{dirs: dirs, images: images, layers: oci.NewClient(dirs.Blobs(), oci.Options{}), downloads: download.New(dirs.Downloads(), download.Options{}), kernels: noKernels{}, vms: someVMs{all: vms}, snapshots: snapshotstore.New(dirs), templates: template.New(template.Deps{Store: templatestore.New(dirs, slog.New(slog.DiscardHandler))})}
}

// put writes a file of n bytes, for the file's directory too.
func put(t testing.TB, path string, n int) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(strings.Repeat("x", n)), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// putImage stores an image of n bytes, or one with the files of another.
func putImage(t testing.TB, dirs statedir.Dirs, id, name string, n int, like string) {
	t.Helper()
	st, err := imagestore.New(dirs, slog.New(slog.DiscardHandler)).Stage(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if like != "" {
		err = os.Link(dirs.Image(like).Rootfs(), st.RootfsPath())
	} else {
		put(t, st.RootfsPath(), n)
	}
	m := image.Manifest{Format: image.ManifestFormat, ID: id, RootfsBytes: int64(n), CreatedAt: time.Unix(1, 0)}
	if name != "" {
		m.Names = []image.Name{{Name: name}}
	}
	if err := errors.Join(err, st.Commit(m)); err != nil {
		t.Fatal(err)
	}
}

const (
	usedImage  = "aaaaaaaaaaaa"
	namedImage = "bbbbbbbbbbbb"
	sameImage  = "cccccccccccc" // the files of usedImage
	looseImage = "dddddddddddd"
)

// manyFiles is a state directory of which a part can go.
func manyFiles(t *testing.T) (statedir.Dirs, vm.VM) {
	t.Helper()
	dirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	putImage(t, dirs, usedImage, "used", 1<<20, "")
	putImage(t, dirs, namedImage, "named", 2<<20, "")
	putImage(t, dirs, sameImage, "same", 1<<20, usedImage)
	putImage(t, dirs, looseImage, "", 4<<20, "")
	v := vm.VM{ID: "0000000000000001", Name: "web", ImageID: usedImage}
	put(t, dirs.VM(v.ID).Disk(), 8<<20)
	put(t, dirs.VM(v.ID).Console(), 1<<19)
	put(t, filepath.Join(dirs.Blobs(), "sha256", strings.Repeat("0", 64)), 3<<20)
	put(t, filepath.Join(dirs.Downloads(), strings.Repeat("0", 64)), 2<<20)
	const key = "00112233445566778899aabbccddeeff"
	put(t, dirs.Template(key).Memory(), 5<<20)
	manifest := `{"format":1,"key":"` + key + `","memory":{"bytes":5242880}}`
	if err := os.WriteFile(dirs.Template(key).Manifest(), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return dirs, v
}

func about(got, want int64) bool { return got >= want && got <= want+64<<10 }

func TestDiskUsage(t *testing.T) {
	dirs, v := manyFiles(t)
	for id, one := range map[string]struct {
		size         int
		origin, work string
	}{"00000000000000a1": {1 << 20, "asked", ""}, "00000000000000a2": {1 << 20, "rollback", "clean"}, "00000000000000a3": {1 << 20, "rollback", "changed"}} {
		dir := dirs.VM(v.ID).Snapshot(id)
		put(t, dir.Disk(), one.size)
		manifest := `{"format":1,"kind":"disk","id":"` + id + `","name":"s","origin":"` + one.origin + `","work":"` + one.work + `"}`
		if err := os.WriteFile(dir.Manifest(), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	usage, err := systemIn(dirs, v).DiskUsage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]int64{
		"kernels": {}, "images": {7 << 20, 6 << 20}, "vms": {8 << 20, 0}, "snapshots": {3 << 20, 1 << 20}, "logs": {1 << 19, 0}, "layers": {3 << 20, 3 << 20}, "cache": {7 << 20, 7 << 20},
	}
	for _, use := range usage.Items {
		w, ok := want[use.Type]
		if !ok || !about(use.SizeBytes, w[0]) || !about(use.ReclaimableBytes, w[1]) {
			t.Errorf("%s: %d bytes, %d reclaimable; want about %v", use.Type, use.SizeBytes, use.ReclaimableBytes, w)
		}
		if use.Type == "images" && (use.Count != 4 || use.Active != 1) {
			t.Errorf("%d images, %d active", use.Count, use.Active)
		}
	}
	if len(usage.Items) != len(want) || !about(usage.ReclaimableBytes, 17<<20) {
		t.Errorf("%d types, %d bytes reclaimable", len(usage.Items), usage.ReclaimableBytes)
	}
}

func keptIDs(t *testing.T, dirs statedir.Dirs) string {
	t.Helper()
	entries, err := os.ReadDir(dirs.Images())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() { // the others are copies of manifests
			all = append(all, e.Name()[:1])
		}
	}
	return strings.Join(all, "")
}

func TestPruneRemovesWhatItSaid(t *testing.T) {
	for _, test := range []struct {
		req   api.Prune
		bytes int64
		left  string
		blobs int
	}{
		{api.Prune{ImagesOnly: true}, 4 << 20, "abc", 1},
		{api.Prune{}, 14 << 20, "abc", 0},
		{api.Prune{All: true}, 16 << 20, "a", 0},
	} {
		dirs, v := manyFiles(t)
		d := systemIn(dirs, v)
		could, err := d.Prunable(t.Context(), test.req)
		if err != nil || !about(could.ReclaimedBytes, test.bytes) || keptIDs(t, dirs) != "abcd" {
			t.Errorf("%+v: %+v, %v; left %s", test.req, could, err, keptIDs(t, dirs))
		}
		did, err := d.Prune(t.Context(), test.req, operation.Discard{})
		if err != nil || fmt.Sprint(did) != fmt.Sprint(could) || keptIDs(t, dirs) != test.left {
			t.Errorf("%+v: %+v, want %+v; %v; left %s", test.req, did, could, err, keptIDs(t, dirs))
		}
		blobs, err := filepath.Glob(filepath.Join(dirs.Blobs(), "sha256", "*"))
		if err != nil || len(blobs) != test.blobs {
			t.Errorf("%+v: blobs %v, %v", test.req, blobs, err)
		}
	}
}

// TestPruneChild is no test but a process that is killed.
func TestPruneChild(t *testing.T) {
	stage := os.Getenv(crashStageEnv)
	if stage == "" {
		t.Skip("run by TestPruneSurvivesKill")
	}
	dirs := statedir.Dirs{State: os.Getenv(crashDirEnv), Cache: os.Getenv(crashDirEnv) + "/cache"}
	_, err := systemIn(dirs, vm.VM{ID: "0000000000000001", ImageID: usedImage}).Prune(t.Context(), api.Prune{All: true}, &killer{stage: stage})
	t.Fatalf("it was not killed: %v", err)
}

// TestPruneSurvivesKill: a daemon killed at any stage has removed whole images or none,
// and never what a VM uses; a second try removes the rest.
func TestPruneSurvivesKill(t *testing.T) {
	// The next daemon's sweep removes looseImage, which has neither name nor VM.
	for stage, left := range map[string]string{"images": "abc", "layers": "a", "downloads": "a", "templates": "a"} {
		dirs := statedir.Dirs{State: t.TempDir()}
		dirs.Cache = dirs.State + "/cache"
		putImage(t, dirs, usedImage, "used", 1<<10, "")
		putImage(t, dirs, namedImage, "named", 1<<10, "")
		putImage(t, dirs, sameImage, "same", 1<<10, usedImage)
		putImage(t, dirs, looseImage, "", 1<<10, "")
		put(t, filepath.Join(dirs.Blobs(), "sha256", strings.Repeat("0", 64)), 1<<10)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPruneChild$")
		cmd.Env = append(os.Environ(), crashStageEnv+"="+stage, crashDirEnv+"="+dirs.State)
		out, err := cmd.CombinedOutput()
		if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%v\n%s", err, out)
		}
		d := systemIn(dirs, vm.VM{ID: "0000000000000001", ImageID: usedImage})
		if err := d.images.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := keptIDs(t, dirs); got != left {
			t.Errorf("killed at %s: left %s, want %s", stage, got, left)
		}
		if _, err := d.Prune(t.Context(), api.Prune{All: true}, operation.Discard{}); err != nil || keptIDs(t, dirs) != "a" {
			t.Errorf("killed at %s, a second try: %v; left %s", stage, err, keptIDs(t, dirs))
		}
	}
}

// BenchmarkDiskUsage measures 200 images, of which half share their files.
func BenchmarkDiskUsage(b *testing.B) {
	dirs := statedir.Dirs{State: b.TempDir(), Cache: b.TempDir()}
	for i := range 200 {
		id, like := fmt.Sprintf("%012x", i), ""
		if i%2 == 1 {
			like = fmt.Sprintf("%012x", i-1)
		}
		putImage(b, dirs, id, fmt.Sprintf("image-%d", i), 64<<10, like)
	}
	d := systemIn(dirs)
	for b.Loop() {
		if usage, err := d.DiskUsage(b.Context()); err != nil || usage.Items[1].Count != 200 {
			b.Fatalf("%+v, %v", usage, err)
		}
	}
}
