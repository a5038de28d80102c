package daemon

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/statedir"
)

// layerTar is a layer of files, each with its name for content; a name that ends in a
// slash is a directory.
func layerTar(t *testing.T, names ...string) []byte {
	t.Helper()
	var raw bytes.Buffer
	tw := tar.NewWriter(&raw)
	for _, name := range names {
		hdr := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(name))}
		if strings.HasSuffix(name, "/") {
			hdr = &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}
		}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if hdr.Size > 0 {
			if _, err := io.WriteString(tw, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}

// stacked is an image of two layers that was pulled, with a property that banger does not
// know, and one of a VM of it.
type stacked struct {
	dirs   statedir.Dirs
	images *image.Service
	server *httptest.Server
	base   image.Image
	made   image.Image
	want   []byte // what the VM's guest sees
}

func newStacked(t *testing.T) *stacked {
	t.Helper()
	s := &stacked{dirs: statedir.Dirs{State: t.TempDir()}}
	s.dirs.Cache = s.dirs.State
	s.images = pullingIn(s.dirs, "")
	s.server = httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.server.Close)
	img, err := mutate.Append(empty.Image,
		mutate.Addendum{Layer: static.NewLayer(layerTar(t, "etc/", "etc/a", "etc/b", "usr/", "usr/x"), types.OCIUncompressedLayer), History: v1.History{CreatedBy: "one"}},
		mutate.Addendum{Layer: static.NewLayer(layerTar(t, "etc/", "etc/.wh.a", "etc/c"), types.OCIUncompressedLayer), History: v1.History{CreatedBy: "two"}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err == nil {
		config = config.DeepCopy()
		config.OS, config.Architecture, config.Config.Healthcheck = "linux", runtime.GOARCH, &v1.HealthConfig{Test: []string{"CMD", "true"}}
		img, err = mutate.ConfigFile(mutate.MediaType(img, types.OCIManifestSchema1), config)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.base, err = s.images.Pull(t.Context(), image.PullRequest{Ref: push(t, s.server, img), Name: "base"}, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	s.made, s.want = s.commit(t, s.base, "ready", "mkdir etc", "cd etc", "symlink new b", "mknod c c 0 0", "cd ..", "mkdir usr", "ea_set usr trusted.overlay.opaque y", "mkdir srv")
	return s
}

// commit makes an image of a VM, whose disk debugfs's commands change.
func (s *stacked) commit(t *testing.T, base image.Image, name string, commands ...string) (made image.Image, sees []byte) {
	t.Helper()
	disk := ext4test.Make(t, append([]string{"mkdir system", "cd system", "mkdir upper", "cd upper"}, commands...)...)
	req := image.CommitRequest{VM: "web", Base: base.ID, Name: name}
	made, err := commits{s.images}.Commit(t.Context(), req, disk, nil, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	src := guesttree.Source{Image: ext4test.Open(t, s.images.Rootfs(base.Manifest)), Disk: ext4test.Open(t, disk)}
	if err := guesttree.WriteTar(t.Context(), &out, src); err != nil {
		t.Fatal(err)
	}
	return made, out.Bytes()
}

// save writes an image's archive, and returns its file and the digest of the manifest.
func (s *stacked) save(t *testing.T, name string, want image.Form) (file, digest string) {
	t.Helper()
	saved, err := s.images.Save(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = saved.Close() }()
	if diff := cmp.Diff(want, saved.Form()); diff != "" {
		t.Errorf("the archive of %s: %s", name, diff)
	}
	var out bytes.Buffer
	if err := saved.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "saved.tar")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var index struct{ Manifests []struct{ Digest string } }
	for tr := tar.NewReader(&out); index.Manifests == nil; {
		hdr, err := tr.Next()
		if err == nil && hdr.Name == "index.json" {
			err = json.NewDecoder(tr).Decode(&index)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return file, index.Manifests[0].Digest
}

// loaded pulls an archive into another daemon, and returns its files.
func loaded(t *testing.T, file string) []byte {
	t.Helper()
	dirs := statedir.Dirs{State: t.TempDir()}
	dirs.Cache = dirs.State
	images := pullingIn(dirs, "")
	m, err := images.Pull(t.Context(), image.PullRequest{Ref: "oci-archive:" + file, Name: "loaded"}, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), ext4test.Program(t, "e2fsck"), "-fn", images.Rootfs(m.Manifest)).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	var out bytes.Buffer
	if err := guesttree.WriteTar(t.Context(), &out, guesttree.Source{Image: ext4test.Open(t, images.Rootfs(m.Manifest))}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestSavedLayers: an archive has what layers there are, and the same files in any case.
func TestSavedLayers(t *testing.T) {
	s := newStacked(t)
	if _, digest := s.save(t, "base", image.Form{Pulled: 2}); digest != s.base.Digest {
		t.Errorf("the pulled image %s is saved as %s", s.base.Digest, digest)
	}
	file, digest := s.save(t, "ready", image.Form{Pulled: 2, Committed: 1})
	if got := loaded(t, file); !bytes.Equal(got, s.want) {
		t.Error("the layers give other files than the VM had")
	}
	if _, again := s.save(t, "ready", image.Form{Pulled: 2, Committed: 1}); again != digest {
		t.Error("the same image gave another archive")
	}
	twice, want := s.commit(t, s.made, "twice", "mkdir opt", "mknod srv c 0 0")
	if len(twice.Layers) != 2 || twice.Base.Digest != s.base.Digest {
		t.Errorf("a second commit: %+v", twice)
	}
	file, _ = s.save(t, "twice", image.Form{Pulled: 2, Committed: 2})
	if got := loaded(t, file); !bytes.Equal(got, want) {
		t.Error("the layers of two commits give other files than the VM had")
	}
	if err := os.RemoveAll(s.dirs.Blobs()); err != nil {
		t.Fatal(err)
	}
	for _, form := range []image.Form{{Merged: 1, Committed: 2}, {Merged: 1}} {
		file, _ = s.save(t, "twice", form)
		if got := loaded(t, file); !bytes.Equal(got, want) {
			t.Errorf("%+v: other files than the VM had", form)
		}
		if err := s.images.Delete(t.Context(), "base"); err != nil && form.Committed > 0 {
			t.Fatal(err)
		}
	}
	if _, digest := s.save(t, "ready", image.Form{Merged: 1}); digest == "" {
		t.Error("no digest")
	}
}

// TestSavedConfig: what the base's configuration tells stays, and a history entry more.
func TestSavedConfig(t *testing.T) {
	s := newStacked(t)
	file, _ := s.save(t, "ready", image.Form{Pulled: 2, Committed: 1})
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		skipOrFail(t, "skopeo is missing")
	}
	out, err := exec.CommandContext(t.Context(), skopeo, "inspect", "--config", "--raw", "oci-archive:"+file+":ready").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got v1.ConfigFile
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	var by []string
	for _, h := range got.History {
		by = append(by, h.CreatedBy)
	}
	if diff := cmp.Diff([]string{"one", "two", "changes of a VM"}, by); diff != "" || len(got.RootFS.DiffIDs) != 3 {
		t.Errorf("%d layers, history %s", len(got.RootFS.DiffIDs), diff)
	}
	if got.Config.Healthcheck == nil {
		t.Error("the base's health check is gone")
	}
}

// TestDamagedLayersAreNotSaved: another form has the files.
func TestDamagedLayersAreNotSaved(t *testing.T) {
	s := newStacked(t)
	own := s.images.LayerFiles(s.made.Manifest)[0].Path
	if err := errors.Join(os.Chmod(own, 0o600), os.WriteFile(own, []byte("damaged"), 0o600)); err != nil {
		t.Fatal(err)
	}
	file, _ := s.save(t, "ready", image.Form{Merged: 1, Lost: "the file " + own + " has changed: its SHA-256 is not that of layer " + s.made.Layers[0].Digest})
	if got := loaded(t, file); !bytes.Equal(got, s.want) {
		t.Error("other files than the VM had")
	}
	blobs, err := filepath.Glob(filepath.Join(s.dirs.Blobs(), "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range blobs {
		if err := os.Truncate(blob, 100); err != nil {
			t.Fatal(err)
		}
	}
	s.save(t, "base", image.Form{Merged: 1})
}

// TestRepairOfACommittedImage: the file is the same to the byte, whatever it is made of,
// so that the disks of its VMs fit it.
func TestRepairOfACommittedImage(t *testing.T) {
	s := newStacked(t)
	path := s.images.Rootfs(s.made.Manifest)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		made string
		do   func() error
	}{
		{"of the base's file", func() error { return nil }},
		{"of cached layers, without the base", func() error { return s.images.Delete(t.Context(), "base") }},
		{"of what the registry has", func() error { return os.RemoveAll(s.dirs.Blobs()) }},
	} {
		if err := errors.Join(step.do(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.images.Repair(t.Context(), "ready", operation.Discard{}); err != nil {
			t.Fatalf("%s: %v", step.made, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%s: another file (%v)", step.made, err)
		}
	}
}

func skipOrFail(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
