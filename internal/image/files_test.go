package image_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// unchanged fails the test unless all is as it was at the call.
func (f *fixture) unchanged(t *testing.T, what string) func() {
	t.Helper()
	images, files := f.snapshot()
	return func() {
		t.Helper()
		nowImages, nowFiles := f.snapshot()
		if diff := cmp.Diff(images, nowImages) + cmp.Diff(files, nowFiles, cmp.AllowUnexported(fakeFile{})); diff != "" || f.store.staged != 0 {
			t.Errorf("%s changed something (%d staged):\n%s", what, f.store.staged, diff)
		}
	}
}

func TestVerifyAndRepair(t *testing.T) {
	for name, damage := range map[string]func(f *fixture, path string){
		"missing":      func(f *fixture, path string) { delete(f.store.disk.files, path) },
		"cut off":      func(f *fixture, path string) { f.store.disk.damage(path, "") },
		"other inside": func(f *fixture, path string) { f.store.disk.damage(path, "rot") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture()
			m := f.pull(t, "d")
			check := f.unchanged(t, "Verify of what is whole")
			if _, err := f.Verify(t.Context(), "d", &stages{}); err != nil {
				t.Fatal(err)
			}
			check()
			path := f.Rootfs(m.Manifest)
			damage(f, path)
			check = f.unchanged(t, "Verify of what is not")
			_, err := f.Verify(t.Context(), "d", &stages{})
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), path) || fault.HintOf(err).String() != "to make it again: image repair d" {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
			check()
			var seen stages
			got, err := f.Repair(t.Context(), "d", &seen)
			if err != nil || got.ID != m.ID || got.RootfsSHA256 != m.RootfsSHA256 || f.source.opened != "debian@sha256:1" {
				t.Errorf("repaired: %+v, %v, from %q", got, err, f.source.opened)
			}
			if diff := cmp.Diff(stages{"verify", "resolve", "fetch", "unpack", "commit"}, seen); diff != "" {
				t.Error(diff)
			}
			if _, err := f.Verify(t.Context(), "d", &stages{}); err != nil {
				t.Errorf("after the repair: %v", err)
			}
			check = f.unchanged(t, "another Repair")
			if _, err := f.Repair(t.Context(), "d", &stages{}); err != nil || f.source.unpacked != 2 {
				t.Errorf("another repair: %v, unpacked %d times", err, f.source.unpacked)
			}
			check()
		})
	}
}

// TestRepairOfWhatIsElsewhereNow: neither the reference's new image, nor one that
// says its digest at its end, takes the place of what the VMs were made from.
func TestRepairOfWhatIsElsewhereNow(t *testing.T) {
	f := newFixture()
	m := f.pull(t, "d")
	delete(f.store.disk.files, f.Rootfs(m.Manifest))
	for _, late := range []bool{false, true} {
		f.source.digest, f.source.late = "sha256:2", late
		check := f.unchanged(t, "Repair")
		_, err := f.Repair(t.Context(), "d", &stages{})
		if hint := fault.HintOf(err).String(); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "sha256:2") ||
			hint != "make it anew under its name: image pull debian:12 d (replace, name)" {
			t.Errorf("late %v: %v (%s)", late, err, hint)
		}
		check()
	}
	f.source.digest, f.source.late = "sha256:1", false
	full := fault.New(fault.Unavailable, "disk full")
	for _, test := range []struct{ write, commit error }{{full, nil}, {nil, full}} {
		f.store.disk.fail, f.store.fail = test.write, test.commit
		check := f.unchanged(t, "Repair")
		if _, err := f.Repair(t.Context(), "d", &stages{}); !errors.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
		check()
	}
}

// TestPullHealsWhatIsDamaged: it has the files at hand.
func TestPullHealsWhatIsDamaged(t *testing.T) {
	f := newFixture()
	m := f.pull(t, "d")
	delete(f.store.disk.files, f.Rootfs(m.Manifest))
	if again := f.pull(t, "d"); again.ID != m.ID || f.Usable(again.Manifest) != nil || f.source.unpacked != 2 {
		t.Errorf("%+v, %v, unpacked %d times", again, f.Usable(again.Manifest), f.source.unpacked)
	}
}

// TestPullSharesNoChangedFile: another image of the digest gets files of its own.
func TestPullSharesNoChangedFile(t *testing.T) {
	f := newFixture()
	f.UseKernels(&fakeKernels{})
	m := f.pull(t, "d")
	f.store.disk.damage(f.Rootfs(m.Manifest), "rot")
	other, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "e", KernelRef: "k"}, &stages{})
	if err != nil || other.ID == m.ID || len(f.store.shared) != 0 || f.source.unpacked != 2 {
		t.Errorf("%+v, %v, shared %v", other, err, f.store.shared)
	}
	if _, err := f.Verify(t.Context(), "e", &stages{}); err != nil {
		t.Error(err)
	}
}

func TestImagesOfFormat1(t *testing.T) {
	f := newFixture()
	m := f.pull(t, "d").Manifest
	whole := m
	m.RootfsSHA256, m.RootfsUUID = "", ""
	f.store.images[m.ID] = m
	if err := f.Usable(m); err != nil {
		t.Errorf("VMs cannot start: %v", err)
	}
	if _, err := f.Verify(t.Context(), "d", &stages{}); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no checksum") || strings.Contains(err.Error(), "cannot be used") {
		t.Errorf("verify: %v", err)
	}
	if got, err := f.Repair(t.Context(), "d", &stages{}); err != nil || cmp.Diff(whole, got.Manifest) != "" || f.source.unpacked != 1 {
		t.Errorf("repaired: %v\n%s", err, cmp.Diff(whole, got.Manifest))
	}
	// One whose file is cut off gets the UUID that the rest of it still tells.
	f.store.images[m.ID] = m
	path := f.Rootfs(m)
	f.store.disk.put(path, "", "the old UUID")
	if got, err := f.Repair(t.Context(), "d", &stages{}); err != nil || got.RootfsUUID != "the old UUID" {
		t.Errorf("damaged: %+v, %v", got, err)
	}
}

func TestRepairOfWhatCannotBeMadeAgain(t *testing.T) {
	f := newFixture()
	m, err := f.Pull(t.Context(), image.PullRequest{Ref: "tar:-", Name: "d", Input: strings.NewReader("")}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	delete(f.store.disk.files, f.Rootfs(m.Manifest))
	if _, err := f.Repair(t.Context(), "d", &stages{}); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "tar:-") {
		t.Errorf("error %v", err)
	}
}

const mine = "/home/u/root.ext4"

func (f *fixture) register(ctx context.Context, name string, change func(*image.RegisterRequest)) (image.Image, error) {
	req := image.RegisterRequest{Name: name, Rootfs: mine}
	if change != nil {
		change(&req)
	}
	return f.Register(ctx, req, &stages{})
}

func TestRegister(t *testing.T) {
	f := newFixture()
	f.store.disk.put(mine, goodRoot+"mine", "my UUID")
	m, err := f.register(t.Context(), "m", func(r *image.RegisterRequest) { r.DiskBytes = 1 << 30 })
	if err != nil {
		t.Fatal(err)
	}
	want := image.Manifest{
		Format: image.ManifestFormat, ID: m.ID, Names: m.Names, Origin: image.FromFile, Source: mine, Architecture: "amd64", OS: "linux", RootfsBytes: bytes,
		ConfigFormat: image.ConfigFormat,
		External:     m.External,
	}
	if diff := cmp.Diff(want, m.Manifest, cmpopts.IgnoreFields(want, "CreatedAt")); diff != "" || m.DiskBytes != 1<<30 || m.External.Path != mine || m.External.Inode == 0 {
		t.Errorf("%+v\n%s", m, diff)
	}
	if _, err := f.Verify(t.Context(), "m", &stages{}); err != nil || f.Rootfs(m.Manifest) != mine {
		t.Errorf("verify: %v", err)
	}
	if again, err := f.register(t.Context(), "m", nil); err != nil || again.ID != m.ID || len(f.store.images) != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if other, err := f.register(t.Context(), "n", nil); err != nil || other.ID != m.ID {
		t.Errorf("under another name: %+v, %v", other, err)
	}

	// The name of another image is refused, whoever it is.
	f.store.disk.damage(mine, goodRoot+"mine, later")
	check := f.unchanged(t, "Register")
	_, err = f.register(t.Context(), "m", nil)
	if !errors.Is(err, fault.Conflict) || !strings.Contains(fault.HintOf(err).String(), "image register m (name, replace)") ||
		!strings.Contains(err.Error(), "it is "+mine+" as it was at ") {
		t.Errorf("a changed file: %v, hint %q", err, fault.HintOf(err))
	}
	check()
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "m"}, &stages{}); !errors.Is(err, fault.Conflict) || f.source.unpacked != 0 {
		t.Errorf("a pull: %v", err)
	}
	if replaced, err := f.register(t.Context(), "m", func(r *image.RegisterRequest) { r.Replace = true }); err != nil || replaced.ID == m.ID {
		t.Errorf("replaced: %+v, %v", replaced, err)
	}
}

type noArchives struct{}

func (noArchives) Open(context.Context, image.Image) (image.Saved, error) { return nil, nil }

func TestAFileThatChangedIsSaid(t *testing.T) {
	tests := map[string]struct {
		change func(*fakeDisk)
		hint   string
	}{
		"written":  {func(d *fakeDisk) { d.damage(mine, goodRoot+"mine, later") }, "image repair m"},
		"replaced": {func(d *fakeDisk) { d.put(mine, goodRoot+"mine", "my UUID") }, "image repair m"},
		"missing":  {func(d *fakeDisk) { delete(d.files, mine) }, "put the file back; or, if it is gone for good: image delete m"},
	}
	for name, test := range tests {
		f := newFixture()
		f.UseArchives(noArchives{})
		f.store.disk.put(mine, goodRoot+"mine", "my UUID")
		m, err := f.register(t.Context(), "m", nil)
		if err != nil {
			t.Fatal(err)
		}
		test.change(f.store.disk)
		if err := f.Usable(m.Manifest); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), mine) || !strings.Contains(fault.HintOf(err).String(), test.hint) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.Promote(t.Context(), "m", &stages{}); !errors.Is(err, fault.Unavailable) {
			t.Errorf("%s: promoted: %v", name, err)
		}
		if saved, err := f.Save(t.Context(), "m"); !errors.Is(err, fault.Unavailable) {
			t.Errorf("%s: saved: %v, %v", name, saved, err)
		}
		repaired, err := f.Repair(t.Context(), "m", &stages{})
		if name == "missing" {
			if !errors.Is(err, fault.NotFound) {
				t.Errorf("%s: repaired: %v", name, err)
			}
			continue
		}
		if err != nil || f.Usable(repaired.Manifest) != nil || repaired.ID != m.ID {
			t.Errorf("%s: repaired: %+v, %v", name, repaired, err)
		}
	}
}

func TestRegisterRefuses(t *testing.T) {
	f := newFixture()
	f.UseKernels(&fakeKernels{})
	f.store.disk.put(mine, goodRoot+"mine", "my UUID")
	f.store.disk.put("/swap", "no root", "")
	check := f.unchanged(t, "Register")
	for name, test := range map[string]struct {
		change func(*image.RegisterRequest)
		want   fault.Code
	}{
		"a name that is none":  {func(r *image.RegisterRequest) { r.Name = "No" }, fault.Invalid},
		"a relative path":      {func(r *image.RegisterRequest) { r.Rootfs = "root.ext4" }, fault.Invalid},
		"no path":              {func(r *image.RegisterRequest) { r.Rootfs = "" }, fault.Invalid},
		"a relative kernel":    {func(r *image.RegisterRequest) { r.Boot.Kernel = "vmlinux" }, fault.Invalid},
		"modules alone":        {func(r *image.RegisterRequest) { r.Boot.Modules = "/m" }, fault.Invalid},
		"two kernels":          {func(r *image.RegisterRequest) { r.Boot.Kernel, r.KernelRef = "/k", "k" }, fault.Invalid},
		"an unknown kernel":    {func(r *image.RegisterRequest) { r.KernelRef = "none" }, fault.NotFound},
		"what is not there":    {func(r *image.RegisterRequest) { r.Rootfs = "/no" }, fault.NotFound},
		"what is no root":      {func(r *image.RegisterRequest) { r.Rootfs = "/swap" }, fault.Invalid},
		"a disk below nothing": {func(r *image.RegisterRequest) { r.DiskBytes = -1 }, fault.Invalid},
	} {
		if _, err := f.register(t.Context(), "m", test.change); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	check()
}

func TestRegisterWithBootFiles(t *testing.T) {
	f := newFixture()
	kernels := &fakeKernels{}
	f.UseKernels(kernels)
	f.store.disk.put(mine, goodRoot+"mine", "my UUID")
	m, err := f.register(t.Context(), "m", func(r *image.RegisterRequest) { r.Boot.Kernel = "/k" })
	if err != nil || !m.OwnKernel || m.Kernel != "m" || len(kernels.kept) != 1 || !strings.HasPrefix(kernels.kept[0], "m of /k in ") {
		t.Errorf("%+v, %v, kept %v", m, err, kernels.kept)
	}
	kernels.fail = fault.New(fault.Invalid, "no kernel")
	check := f.unchanged(t, "Register")
	if _, err := f.register(t.Context(), "n", func(r *image.RegisterRequest) { r.Boot.Kernel = "/k2" }); !errors.Is(err, fault.Invalid) {
		t.Errorf("a kernel that is none: %v", err)
	}
	check()
}

func TestPromote(t *testing.T) {
	f := newFixture()
	f.store.disk.put(mine, goodRoot+"mine", "my UUID")
	m, err := f.register(t.Context(), "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	full := fault.New(fault.Unavailable, "disk full")
	for _, test := range []struct{ write, commit error }{{full, nil}, {nil, full}} {
		f.store.disk.fail, f.store.fail = test.write, test.commit
		check := f.unchanged(t, "Promote")
		if _, err := f.Promote(t.Context(), "m", &stages{}); !errors.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
		check()
	}
	f.store.disk.fail, f.store.fail = nil, nil
	var seen stages
	got, err := f.Promote(t.Context(), "m", &seen)
	if err != nil || got.ID != m.ID || got.External != nil || got.RootfsUUID != "my UUID" || f.Rootfs(got.Manifest) == mine {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(stages{"check", "copy", "commit"}, seen); diff != "" {
		t.Error(diff)
	}
	delete(f.store.disk.files, mine)
	if _, err := f.Verify(t.Context(), "m", &stages{}); err != nil {
		t.Errorf("without the user's file: %v", err)
	}
	check := f.unchanged(t, "another Promote")
	if _, err := f.Promote(t.Context(), "m", &stages{}); err != nil {
		t.Error(err)
	}
	check()
}

// changing is a source during whose copy the user's file changes.
type changing struct{ *fakeDisk }

func (c changing) Copy(ctx context.Context, from, to string) error {
	err := c.fakeDisk.Copy(ctx, from, to)
	c.damage(from, goodRoot+"other")
	return err
}

func TestPromoteOfAFileThatChangesMeanwhile(t *testing.T) {
	f := newFixture()
	f.use(changing{f.store.disk})
	f.store.disk.put(mine, goodRoot+"mine", "my UUID")
	if _, err := f.register(t.Context(), "m", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Promote(t.Context(), "m", &stages{}); !errors.Is(err, fault.Unavailable) || f.store.staged != 0 {
		t.Errorf("error %v, %d staged", err, f.store.staged)
	}
}

// TestRegisterRefusesBangersOwnFiles, each that it would read.
func TestRegisterRefusesBangersOwnFiles(t *testing.T) {
	const own = "/state/banger/images/1/rootfs.ext4"
	for what, req := range map[string]image.RegisterRequest{
		"rootfs": {Name: "m", Rootfs: own}, "kernel": {Name: "m", Rootfs: "/home/u/root.ext4", Boot: image.BootFiles{Kernel: own}},
	} {
		f := newFixture()
		if _, err := f.Register(t.Context(), req, &stages{}); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "banger's own directory") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestWhatWasMeant: an image's name, mistyped.
func TestWhatWasMeant(t *testing.T) {
	f := newFixture()
	f.pull(t, "debian")
	for name, want := range map[string]string{"debain": "did you mean debian? To list all: image list", "other": "image list"} {
		if _, err := f.Get(t.Context(), name); !errors.Is(err, fault.NotFound) || fault.HintOf(err).String() != want {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}

func TestTag(t *testing.T) {
	f := newFixture()
	a := f.pull(t, "a")
	f.source.digest = "sha256:2"
	other := f.pull(t, "b")
	got, err := f.Tag(t.Context(), "a", "c", false)
	if err != nil || got.ID != a.ID || got.Name != "c" || len(f.store.images[a.ID].Names) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	check := f.unchanged(t, "Tag")
	if _, err := f.Tag(t.Context(), "a", "b", false); !errors.Is(err, fault.Conflict) || fault.HintOf(err).String() != "to move the name: image tag a b (replace)" {
		t.Errorf("a taken name: %v, hint %q", err, fault.HintOf(err))
	}
	if _, err := f.Tag(t.Context(), "a", "No", false); !errors.Is(err, fault.Invalid) {
		t.Errorf("no name: %v", err)
	}
	if _, err := f.Tag(t.Context(), "none", "d", false); !errors.Is(err, fault.NotFound) {
		t.Errorf("no image: %v", err)
	}
	check()
	if _, err := f.Tag(t.Context(), "a", "b", true); err != nil || f.store.images[other.ID].ID != "" || len(f.store.images[a.ID].Names) != 3 {
		t.Errorf("replaced: %v, %+v", err, f.store.images)
	}
}
