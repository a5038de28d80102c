package image_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

func TestCommit(t *testing.T) {
	f := newFixture()
	kernels := &fakeKernels{}
	f.UseKernels(kernels)
	base, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "base", KernelRef: "k"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	f.source.digest, f.source.config = "sha256:2", base.Config
	content := &fakeChanges{fakeContent{s: f.source}, f.store.disk}
	var seen stages
	req := image.CommitRequest{VM: "web", Base: base.ID, Name: "ready"}
	made, err := f.Commit(t.Context(), req, content, &seen)
	if err != nil {
		t.Fatal(err)
	}
	if made.ID == base.ID || made.Ref != "vm:web" || made.Kernel != "k" || !made.OwnKernel || made.Config.User != "u" {
		t.Errorf("%+v", made)
	}
	if diff := cmp.Diff([]string{"k in /staged/kernel", base.ID + " -> /staged/kernel"}, kernels.kept); diff != "" {
		t.Errorf("kernels: %s", diff)
	}
	if seen[len(seen)-1] != "commit" {
		t.Errorf("stages %v", seen)
	}
	_, err = f.Commit(t.Context(), req, content, &seen)
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.Conflict) || hint != "choose another name, or move the name to the new image: vm commit web ready (replace)" {
		t.Errorf("a taken name: %v (%s)", err, hint)
	}
	f.source.digest = "sha256:3"
	req.Replace = true
	if again, err := f.Commit(t.Context(), req, content, &seen); err != nil || again.ID == made.ID || again.Name != "ready" {
		t.Errorf("with replace: %+v, %v", again, err)
	}
	if _, err := f.Get(t.Context(), made.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("the image that lost its only name: %v", err)
	}
	for _, name := range []string{"", "No", "../x"} {
		if err := f.CheckCommit(t.Context(), image.CommitRequest{VM: "web", Name: name}); !errors.Is(err, fault.Invalid) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
}

// TestCommitOfABaseThatLostItsKernel: the new image would get what is there of it.
func TestCommitOfABaseThatLostItsKernel(t *testing.T) {
	f := newFixture()
	kernels := &fakeKernels{}
	f.UseKernels(kernels)
	base, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "base", KernelRef: "k"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	kernels.kept, kernels.damaged = nil, fault.New(fault.Unavailable, "changed")
	check := f.unchanged(t, "Commit")
	f.source.digest = "sha256:2"
	req := image.CommitRequest{VM: "web", Base: base.ID, Name: "ready"}
	_, err = f.Commit(t.Context(), req, &fakeChanges{fakeContent{s: f.source}, f.store.disk}, &stages{})
	if !errors.Is(err, fault.Unavailable) || len(kernels.kept) != 0 || fault.HintOf(err).String() != "to give it a copy again: image repair base" {
		t.Errorf("%v, hint %q, kept %v", err, fault.HintOf(err), kernels.kept)
	}
	check()
}

// fakeChanges are a VM's files. Its layer is called by the digest of all.
type fakeChanges struct {
	fakeContent
	disk *fakeDisk
}

func (c *fakeChanges) WriteLayer(_ context.Context, _ operation.Progress, dir string) (image.Layer, error) {
	l := image.Layer{Digest: "layer of " + c.s.digest, DiffID: "diff of " + c.s.digest, Bytes: bytes}
	c.disk.put(dir+"/"+l.Digest, l.Digest, "")
	return l, nil
}

// fakeLayers implements image.Layers: what is over something gives the digest made.
type fakeLayers struct {
	f     *fixture
	made  string
	below []string // what layers were put over
}

func (l *fakeLayers) Check(_ context.Context, file image.LayerFile) error {
	if got, err := l.f.store.disk.get(file.Path); err != nil || got.content != file.Digest {
		return fault.New(fault.Unavailable, "%s is not whole", file.Digest)
	}
	return nil
}

func (l *fakeLayers) over(below string, layers []image.LayerFile) image.Content {
	for _, file := range layers {
		below += " < " + file.Digest
	}
	l.below = append(l.below, below)
	return &fakeContent{s: &fakeSource{digest: l.made, late: true, arch: "amd64"}}
}

func (l *fakeLayers) Over(base image.Content, layers []image.LayerFile) (image.Content, error) {
	return l.over(base.Info().Digest, layers), base.Close()
}

func (l *fakeLayers) OverRootfs(_ context.Context, path string, _ image.Info, layers []image.LayerFile) (image.Content, error) {
	return l.over(path, layers), nil
}

// committed makes the image base and one of a VM of it.
func committed(t *testing.T) (f *fixture, layers *fakeLayers, base, made image.Image) {
	t.Helper()
	f = newFixture()
	layers = &fakeLayers{f: f, made: "sha256:2"}
	f.UseLayers(layers)
	base = f.pull(t, "base")
	made = f.commit(t, base.ID, "sha256:2", "ready")
	f.source.digest = "sha256:1"
	return f, layers, base, made
}

func (f *fixture) commit(t *testing.T, base, digest, name string) image.Image {
	t.Helper()
	f.source.digest = digest
	req := image.CommitRequest{VM: "web", Base: base, Name: name}
	made, err := f.Commit(t.Context(), req, &fakeChanges{fakeContent{s: f.source}, f.store.disk}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestCommitAddsALayer: each commit has one more, over the image that was pulled.
func TestCommitAddsALayer(t *testing.T) {
	f, _, base, made := committed(t)
	again := f.commit(t, made.ID, "sha256:3", "again")
	want := &image.Base{ID: base.ID, Origin: image.FromReference, Source: "debian:12", Digest: "sha256:1"}
	if diff := cmp.Diff(want, again.Base); diff != "" {
		t.Error(diff)
	}
	var digests []string
	for _, l := range f.LayerFiles(again.Manifest) {
		digests = append(digests, l.Digest)
		if err := (&fakeLayers{f: f}).Check(t.Context(), l); err != nil {
			t.Error(err)
		}
		if l.CreatedAt.IsZero() {
			t.Error("a layer has no time")
		}
	}
	if diff := cmp.Diff([]string{"layer of sha256:2", "layer of sha256:3"}, digests); diff != "" {
		t.Error(diff)
	}
}

// TestCommitOverALostLayer begins anew over the image that it is of, and so does one too
// many.
func TestCommitOverALostLayer(t *testing.T) {
	f, _, _, made := committed(t)
	f.store.disk.damage(f.LayerFiles(made.Manifest)[0].Path, "other bytes")
	if over := f.commit(t, made.ID, "sha256:9", "over"); over.Base.ID != made.ID || len(over.Layers) != 1 {
		t.Errorf("over a damaged one: %+v, %d layers", over.Base, len(over.Layers))
	}
	delete(f.store.disk.files, f.LayerFiles(made.Manifest)[0].Path)
	again := f.commit(t, made.ID, "sha256:3", "again")
	if again.Base.ID != made.ID || again.Base.Digest != "sha256:2" || len(again.Layers) != 1 {
		t.Errorf("%+v, %d layers", again.Base, len(again.Layers))
	}
	for i := range 64 {
		again = f.commit(t, again.ID, fmt.Sprintf("sha256:%d", 10+i), fmt.Sprintf("n%d", i))
	}
	if len(again.Layers) != 1 {
		t.Errorf("%d layers", len(again.Layers))
	}
}

// TestRepairOfACommit: the filesystem is made again of the base's file, or what the base
// was pulled from, and the layers.
func TestRepairOfACommit(t *testing.T) {
	f, layers, base, made := committed(t)
	repair := func() error {
		t.Helper()
		delete(f.store.disk.files, f.Rootfs(made.Manifest))
		_, err := f.Repair(t.Context(), "ready", &stages{})
		if err != nil {
			return err
		}
		_, err = f.Verify(t.Context(), "ready", &stages{})
		return err
	}
	if err := repair(); err != nil {
		t.Fatal(err)
	}
	f.store.disk.damage(f.Rootfs(base.Manifest), "other files")
	if err := repair(); err != nil {
		t.Fatal(err)
	}
	want := []string{f.Rootfs(base.Manifest) + " < layer of sha256:2", "sha256:1 < layer of sha256:2"}
	if diff := cmp.Diff(want, layers.below); diff != "" {
		t.Error(diff)
	}
	layers.made = "sha256:9"
	if err := repair(); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "its base and layers give") {
		t.Errorf("layers that give something else: %v", err)
	}
	f.source.digest = "sha256:8"
	err := repair()
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "debian:12 has sha256:8 now") ||
		!strings.HasPrefix(hint, "commit the VM again: vm commit web ready (replace); ") {
		t.Errorf("a base that is another: %v (%s)", err, hint)
	}
}

// TestALostLayer is told; the image goes on without its layers.
func TestALostLayer(t *testing.T) {
	f, _, _, made := committed(t)
	f.store.disk.damage(f.LayerFiles(made.Manifest)[0].Path, "other bytes")
	if _, err := f.Verify(t.Context(), "ready", &stages{}); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "has lost a layer") {
		t.Errorf("%v", err)
	}
	m, err := f.Repair(t.Context(), "ready", &stages{})
	if err != nil || m.Base != nil || m.Layers != nil || !m.Changed || m.LostLayers != 1 || !strings.Contains(m.Lost, "layer of sha256:2 is not whole") {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := f.Verify(t.Context(), "ready", &stages{}); err != nil {
		t.Error(err)
	}
	delete(f.store.disk.files, f.Rootfs(made.Manifest))
	_, err = f.Repair(t.Context(), "ready", &stages{})
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.Unavailable) || !strings.HasPrefix(hint, "commit the VM again: vm commit web ready (replace); ") {
		t.Errorf("with neither: %v (%s)", err, hint)
	}
}

// TestLostWithALayer: neither the file nor what it is made of is whole.
func TestLostWithALayer(t *testing.T) {
	f, _, _, made := committed(t)
	f.store.disk.damage(f.Rootfs(made.Manifest), "")
	delete(f.store.disk.files, f.LayerFiles(made.Manifest)[0].Path)
	check := f.unchanged(t, "Repair")
	_, err := f.Repair(t.Context(), "ready", &stages{})
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.Unavailable) || !strings.HasPrefix(hint, "commit the VM again: vm commit web ready (replace); ") {
		t.Errorf("%v (%s)", err, hint)
	}
	check()
}

func TestOfVM(t *testing.T) {
	own := image.OfVM([]string{"/root/.config/../token"})
	for path, want := range map[string]bool{
		"/etc/machine-id": true, "/etc/ssh/ssh_host_ed25519_key": true, "/etc/ssh/sshd_config": false, "/root/token": true,
		"/root": false, "/etc/hostname": true, "/etc/hostname/x": false,
	} {
		if own(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

// A commit is of the VM's image, whatever has that image's id for a name.
func TestACommitIsOfItsImage(t *testing.T) {
	f := newFixture()
	var ids []string
	for _, name := range []string{"one", "two"} {
		f.source.digest = "sha256:" + name
		m, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:" + name, Name: name}, &stages{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	if _, err := f.Tag(t.Context(), "two", "deadbeefcafe", false); !errors.Is(err, fault.Invalid) {
		t.Errorf("a name that looks like an ID: %v", err)
	}
	odd, err := f.ByID(t.Context(), ids[1])
	if err != nil {
		t.Fatal(err)
	}
	odd.Names[0].Name = ids[0] // a build before this rule
	if err := f.store.Update(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Get(t.Context(), ids[0]); err != nil || m.ID != ids[0] {
		t.Errorf("image %s is %s: %v", ids[0], m.ID, err)
	}
	f.source.digest = "sha256:3"
	made, err := f.Commit(t.Context(), image.CommitRequest{VM: "web", Base: ids[0], Name: "ready"}, &fakeChanges{fakeContent{s: f.source}, f.store.disk}, &stages{})
	if err != nil || made.Base == nil || made.Base.ID != ids[0] {
		t.Errorf("made of %+v: %v", made.Base, err)
	}
}
