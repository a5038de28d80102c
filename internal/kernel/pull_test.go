package kernel_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"

	catalogs "github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/download"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/kernelbundle"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/operation"
)

// shelf is a Catalogs of one catalog, in a directory of this host.
type shelf struct {
	dir     string
	entries []kernel.Entry
	problem error
}

func (s *shelf) Load(context.Context) ([]catalogs.Catalog, []error) {
	var problems []error
	if s.problem != nil {
		problems = append(problems, s.problem)
	}
	c := catalogs.Catalog{Origin: catalogs.Origin{URL: "file://" + s.dir + "/catalog.json", Version: 3, Trust: "by a test"}}
	for _, e := range s.entries {
		raw, _ := json.Marshal(e) // of plain fields
		c.Kernels = append(c.Kernels, raw)
	}
	return []catalogs.Catalog{c}, problems
}

// unpacker is a Bundles as bangerd has it.
type unpacker struct{ downloads *download.Client }

func (u unpacker) Unpack(ctx context.Context, url, sum string, size int64, dir string, p operation.Progress) (string, error) {
	p.Stage("download")
	fetched, err := u.downloads.File(ctx, url, sum, size, p)
	if err != nil {
		return "", err
	}
	defer fetched.Close() //nolint:errcheck // read only
	p.Stage("unpack")
	return fetched.URL, kernelbundle.Unpack(ctx, fetched, dir)
}

// fakePackages has one package, in a directory.
type fakePackages struct {
	dir    string
	opened []string
	closed int
	err    error
}

func (f *fakePackages) Open(_ context.Context, meta string, p operation.Progress) (kernel.Package, error) {
	f.opened = append(f.opened, meta)
	p.Stage("download")
	if f.err != nil {
		return kernel.Package{}, f.err
	}
	src, err := kernelstore.OpenSource(f.dir)
	if err != nil {
		return kernel.Package{}, err
	}
	return kernel.Package{Source: counted{src, f}, Parts: []kernel.PackageFile{
		{Name: "linux-image-6.1.0", Version: "6.1.0-1", URL: "http://deb.example/k.deb", SHA256: "00ff"},
		{Name: "linux-modules-6.1.0", Version: "6.1.0-1", URL: "http://deb.example/m.deb", SHA256: "00fe"},
	}}, nil
}

type counted struct {
	kernel.Source
	f *fakePackages
}

func (c counted) Close() error {
	c.f.closed++
	return c.Source.Close()
}

// pulling is a catalog whose shelf has kernels.
type pulling struct {
	*catalog
	shelf    *shelf
	packages *fakePackages
}

func newPulling(t *testing.T) *pulling {
	t.Helper()
	p := &pulling{catalog: newCatalog(t), shelf: &shelf{dir: t.TempDir()}, packages: &fakePackages{}}
	p.packages.dir = onDisk(t, fstest.MapFS{"boot/vmlinuz-6.1.0": {Data: kerneltest.Vmlinuz("6.1.0"), Mode: 0o644}})
	p.deps.Catalogs, p.deps.Packages = p.shelf, p.packages
	p.deps.Bundles = unpacker{download.New(p.dirs.Downloads(), download.Options{})}
	p.deps.Distro, p.deps.Release = "debian", "12"
	p.Service = kernel.NewService(p.deps)
	return p
}

// packed puts a kernel into the shelf, as make kernel-bundle packs it.
func (p *pulling) packed(t *testing.T, name, version string) {
	t.Helper()
	other := newCatalog(t)
	dir := onDisk(t, fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz(version), Mode: 0o644}})
	m, err := other.Import(t.Context(), name, dir, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := kernelbundle.Pack(t.Context(), m, other.dirs.Kernel(name), p.shelf.dir)
	if err != nil {
		t.Fatal(err)
	}
	p.shelf.entries = append(p.shelf.entries, e)
}

// written puts a bundle of these files into the shelf. Content that begins with an arrow
// is a link's.
func (p *pulling) written(t *testing.T, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for name, content := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			h.Typeflag, h.Linkname, h.Size, content = tar.TypeSymlink, target, 0, ""
		}
		err := out.WriteHeader(h)
		if _, werr := out.Write([]byte(content)); err != nil || werr != nil {
			t.Fatal(err, werr)
		}
	}
	z, err := zstd.NewWriter(nil)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	data := z.EncodeAll(b.Bytes(), nil)
	if err := os.WriteFile(filepath.Join(p.shelf.dir, "k"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	p.shelf.entries = []kernel.Entry{{
		Name: "k", Distro: "other", Arch: "amd64", KernelVersion: "6.1.0", TarballURL: "k",
		TarballSHA256: hex.EncodeToString(sum[:]), SizeBytes: int64(len(data)),
	}}
}

func deb(name, release string) kernel.Entry {
	return kernel.Entry{Name: name, Distro: "debian", Release: release, Arch: "amd64", KernelVersion: "6.1", AptPackage: "linux-image-cloud-amd64", SizeBytes: 1}
}

func TestPullOfAPackage(t *testing.T) {
	p := newPulling(t)
	p.shelf.entries = []kernel.Entry{deb("debian-13", "13"), deb("debian-12", "12")}
	m, err := p.Pull(t.Context(), "debian-12", false, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	chain := strings.Join(m.Trust, "\n")
	if m.Source != "pull:http://deb.example/k.deb" || m.Version != "6.1.0" || !strings.Contains(chain, "by a test") || !strings.Contains(chain, "sha256 00ff") {
		t.Errorf("%+v", m)
	}
	if p.packages.closed != 1 || !slices.Equal(p.packages.opened, []string{"linux-image-cloud-amd64"}) {
		t.Errorf("opened %v, closed %d", p.packages.opened, p.packages.closed)
	}
	if _, err := p.Pull(t.Context(), "debian-12", false, &stages{}); !errors.Is(err, fault.Conflict) {
		t.Errorf("again: %v, want Conflict", err)
	}
	if _, err := p.Pull(t.Context(), "debian-13", false, &stages{}); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "debian 13") {
		t.Errorf("of another release: %v, want Unavailable", err)
	}
	if _, err := p.Pull(t.Context(), "none", false, &stages{}); !errors.Is(err, fault.NotFound) || !strings.Contains(fault.HintOf(err).String(), "kernel list") {
		t.Errorf("an unknown one: %v (%s)", err, fault.HintOf(err))
	}
	_, err = p.Pull(t.Context(), "debain-12", false, &stages{})
	if want := "did you mean debian-12? To list all: kernel list (available)"; !errors.Is(err, fault.NotFound) || fault.HintOf(err).String() != want {
		t.Errorf("a mistyped one: %v (%s)", err, fault.HintOf(err))
	}
	checkNothingStaged(t, p.dirs)
}

func TestPullOfABundle(t *testing.T) {
	p := newPulling(t)
	p.packed(t, "k", "6.1.0")
	m, err := p.Pull(t.Context(), "k", false, &stages{})
	if err != nil || m.Version != "6.1.0" || !m.PVH || m.Source != "pull:file://"+p.shelf.dir+"/k.tar.zst" {
		t.Fatalf("%+v, %v", m, err)
	}
	p.shelf.entries = nil
	p.packed(t, "k", "6.2.0")
	if again, err := p.Pull(t.Context(), "k", true, &stages{}); err != nil || again.Version != "6.2.0" {
		t.Errorf("by force: %+v, %v", again, err)
	}
	if all, err := p.List(t.Context()); err != nil || len(all) != 1 || all[0].Version != "6.2.0" {
		t.Errorf("left %+v, %v", all, err)
	}
	checkNothingStaged(t, p.dirs)
}

// TestPullOfADamagedKernel needs force, as that of a whole one, and makes it whole.
func TestPullOfADamagedKernel(t *testing.T) {
	p := newPulling(t)
	p.packed(t, "k", "6.1.0")
	if _, err := p.Pull(t.Context(), "k", false, &stages{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.dirs.Kernel("k").Vmlinux()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Pull(t.Context(), "k", false, &stages{}); !errors.Is(err, fault.Unavailable) || !strings.Contains(fault.HintOf(err).String(), "force") {
		t.Errorf("without force: %v (hint %q)", err, fault.HintOf(err))
	}
	if m, err := p.Pull(t.Context(), "k", true, &stages{}); err != nil || m.Problem != nil {
		t.Errorf("by force: %+v, %v", m, err)
	}
	if all, err := p.List(t.Context()); err != nil || len(all) != 1 || all[0].Problem != nil {
		t.Errorf("left %+v, %v", all, err)
	}
}

func TestPullRefusesABundleAndKeepsWhatIsThere(t *testing.T) {
	manifest := func(change func(*kernel.Bundle)) string {
		b := kernel.Bundle{Format: 1, Version: "6.1.0", Architecture: "amd64"}
		change(&b)
		data, _ := json.Marshal(b) // of plain fields
		return string(data)
	}
	good := manifest(func(*kernel.Bundle) {})
	vmlinux := string(kerneltest.Vmlinux(elf.EM_X86_64, "6.1.0"))
	for name, files := range map[string]map[string]string{
		"no manifest":      {"vmlinux": vmlinux},
		"no vmlinux":       {"kernel.json": good},
		"no kernel at all": {"kernel.json": good, "vmlinux": "hello"},
		"another version":  {"kernel.json": good, "vmlinux": string(kerneltest.Vmlinux(elf.EM_X86_64, "6.6.6"))},
		"not the catalog's": {
			"kernel.json": manifest(func(b *kernel.Bundle) { b.Version = "6.6.6" }), "vmlinux": string(kerneltest.Vmlinux(elf.EM_X86_64, "6.6.6")),
		},
		"another architecture":   {"kernel.json": good, "vmlinux": string(kerneltest.Vmlinux(elf.EM_AARCH64, "6.1.0"))},
		"a missing module":       {"kernel.json": manifest(func(b *kernel.Bundle) { b.BootModules = []string{"a.ko"} }), "vmlinux": vmlinux},
		"a module elsewhere":     {"kernel.json": manifest(func(b *kernel.Bundle) { b.BootModules = []string{"../a.ko"} }), "vmlinux": vmlinux},
		"no modules.ext4":        {"kernel.json": manifest(func(b *kernel.Bundle) { b.Modules = 1 }), "vmlinux": vmlinux},
		"a newer format":         {"kernel.json": manifest(func(b *kernel.Bundle) { b.Format = 2 }), "vmlinux": vmlinux},
		"a link for an initrd":   {"kernel.json": good, "vmlinux": vmlinux, "initrd.img": "-> vmlinux"},
		"a link for modules":     {"kernel.json": good, "vmlinux": vmlinux, "modules.ext4": "-> vmlinux"},
		"a link for a directory": {"kernel.json": manifest(func(b *kernel.Bundle) { b.BootModules = []string{"a.ko"} }), "vmlinux": vmlinux, "d/a.ko": "x", "boot-modules": "-> d"},
		"a name that climbs":     {"kernel.json": good, "vmlinux": vmlinux, "../../x": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPulling(t)
			p.packed(t, "k", "6.0.0")
			if _, err := p.Pull(t.Context(), "k", false, &stages{}); err != nil {
				t.Fatal(err)
			}
			p.written(t, files)
			if _, err := p.Pull(t.Context(), "k", true, &stages{}); !errors.Is(err, fault.Invalid) {
				t.Errorf("error %v, want Invalid", err)
			}
			if m, err := p.Get(t.Context(), "k"); err != nil || m.Version != "6.0.0" {
				t.Errorf("the kernel that was there is %+v, %v", m, err)
			}
			checkNothingStaged(t, p.dirs)
		})
	}
}

func TestObtain(t *testing.T) {
	p := newPulling(t)
	p.shelf.entries = []kernel.Entry{deb("debian-13", "13"), deb("debian-12", "12")}
	var all sync.WaitGroup
	for range 4 { // on a machine with no kernel, all at once
		all.Go(func() {
			if m, err := p.Obtain(t.Context(), "", &stages{}); err != nil || m.Name != "debian-12" {
				t.Errorf("the default: %s, %v", m.Name, err)
			}
		})
	}
	all.Wait()
	if len(p.packages.opened) != 1 {
		t.Errorf("pulled %d times", len(p.packages.opened))
	}
	p.packed(t, "other", "6.5.0")
	if m, err := p.Obtain(t.Context(), "other", &stages{}); err != nil || m.Version != "6.5.0" {
		t.Errorf("by name: %+v, %v", m, err)
	}
	p.shelf.problem = fault.New(fault.Unavailable, "the catalog is down")
	if _, err := p.Obtain(t.Context(), "none", &stages{}); !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "is down") {
		t.Errorf("of none: %v", err)
	}
}

func TestOffers(t *testing.T) {
	p := newPulling(t)
	arm := deb("debian-12", "12")
	arm.Arch = "arm64"
	p.shelf.entries = []kernel.Entry{arm, deb("debian-12", "12"), deb("debian-13", "13"), deb("Bad Name", "12")}
	p.packed(t, "mine", "6.1.0")
	if _, err := p.Pull(t.Context(), "mine", false, &stages{}); err != nil {
		t.Fatal(err)
	}
	offers, problems, err := p.Offers(t.Context())
	var got []string
	for _, o := range offers {
		got = append(got, fmt.Sprintf("%s %s %s", o.Entry.Name, o.State, o.Needs))
	}
	want := []string{"debian-12 available ", "debian-13 unavailable debian 13", "mine pulled "}
	if err != nil || len(problems) != 1 || !slices.Equal(got, want) {
		t.Errorf("%q, problems %v, %v; want %q", got, problems, err, want)
	}
}

// TestBuiltinCatalog: every entry is valid, and no two are the same.
func TestBuiltinCatalog(t *testing.T) {
	doc, err := catalogs.Parse(catalogs.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	found, problems := catalogs.Merge[kernel.Entry]([]catalogs.Catalog{{Document: doc}}, func(d catalogs.Document) []json.RawMessage { return d.Kernels })
	if len(found) != len(doc.Kernels) || len(problems) != 0 || len(found) == 0 {
		t.Errorf("%d entries of %d, problems %v", len(found), len(doc.Kernels), problems)
	}
}

// killEnv tells the child at which stage to end.
const killEnv, killDir = "BANGER_TEST_KILL_STAGE", "BANGER_TEST_KILL_DIR"

// TestPullingChild is no test but a process that ends itself in the middle of a pull.
func TestPullingChild(t *testing.T) {
	stage := os.Getenv(killEnv)
	if stage == "" {
		t.Skip("a child of TestPullKilledAtEachStage")
	}
	p := newPulling(t)
	p.dirs.State, p.dirs.Cache = filepath.Join(os.Getenv(killDir), "state"), filepath.Join(os.Getenv(killDir), "cache")
	p.reopen()
	p.packed(t, "k", "6.2.0")
	_, err := p.Pull(t.Context(), "k", true, &stages{on: func(name string) {
		if name == stage {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}})
	t.Fatalf("stage %q never came: %v", stage, err)
}

func TestPullKilledAtEachStage(t *testing.T) {
	for _, stage := range []string{"catalog", "download", "unpack", "verify", "store"} {
		t.Run(stage, func(t *testing.T) {
			p := newPulling(t)
			p.packed(t, "k", "6.1.0")
			if _, err := p.Pull(t.Context(), "k", false, &stages{}); err != nil {
				t.Fatal(err)
			}
			base := t.TempDir()
			if err := errors.Join(os.Rename(p.dirs.State, filepath.Join(base, "state")), os.Rename(p.dirs.Cache, filepath.Join(base, "cache"))); err != nil {
				t.Fatal(err)
			}
			p.dirs.State, p.dirs.Cache = filepath.Join(base, "state"), filepath.Join(base, "cache")
			p.reopen()
			tmp := filepath.Join(base, "tmp") // the child does not live to remove its own
			if err := os.Mkdir(tmp, 0o700); err != nil {
				t.Fatal(err)
			}
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPullingChild$")
			child.Env = append(os.Environ(), killEnv+"="+stage, killDir+"="+base, "TMPDIR="+tmp)
			if out, err := child.CombinedOutput(); !strings.Contains(fmt.Sprint(err), "killed") {
				t.Fatalf("the child: %v\n%s", err, out)
			}
			if err := p.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			checkNothingStaged(t, p.dirs)
			if m, err := p.Get(t.Context(), "k"); err != nil || m.Version != "6.1.0" {
				t.Errorf("the kernel that was there is %+v, %v", m, err)
			}
			p.shelf.entries = nil
			p.packed(t, "k", "6.2.0")
			if m, err := p.Pull(t.Context(), "k", true, &stages{}); err != nil || m.Version != "6.2.0" {
				t.Errorf("the second try: %+v, %v", m, err)
			}
			checkNothingStaged(t, p.dirs)
		})
	}
}
