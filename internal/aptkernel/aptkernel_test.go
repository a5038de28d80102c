package aptkernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
)

const record = "Package: linux-image-cloud-amd64\nVersion: 6.1.9-1\nDepends: linux-base, linux-image-6.1.0-9-cloud-amd64 (= 6.1.9-1)\n"

// fakes are an apt of shell scripts in a directory.
type fakes struct {
	*Client
	dir string
	log string
}

func newFakes(t *testing.T, get, cache, deb string) *fakes {
	t.Helper()
	dir := t.TempDir()
	f := &fakes{dir: filepath.Join(dir, "cache"), log: filepath.Join(dir, "log")}
	script := func(name, body string) string {
		path := filepath.Join(dir, name)
		text := fmt.Sprintf("#!/bin/bash\necho \"%s $*\" >> %s\n%s\n", name, f.log, body)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f.Client = New(f.dir, func(dir string) (kernel.Source, error) { return tree{os.DirFS(dir)}, nil })
	f.tools = tools{get: script("apt-get", get), cache: script("apt-cache", cache), deb: script("dpkg-deb", deb)}
	return f
}

type tree struct{ fs.FS }

func (tree) Close() error { return nil }

// fakeGet is an apt-get whose downloads have this content.
func fakeGet(content string) string {
	return `case "$*" in
*--print-uris*) echo "'http://deb.example/linux.deb' linux.deb 4 SHA256:$(printf 'deb\n' | sha256sum | cut -d' ' -f1)" ;;
*update*) touch "$(dirname "$0")/updated" ;;
*Status-Fd=3*) echo 'dlstatus:1:50:half' >&3; printf '` + content + `' > linux.deb ;;
esac`
}

const fakeDeb = `mkdir -p "$3/boot" && cp "$2" "$3/boot/vmlinuz"`

func fakeCache() string { return "cat <<'END'\n" + record + "END" }

type progress struct {
	mu     sync.Mutex
	stages []string
	counts []int64
}

func (p *progress) Stage(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stages = append(p.stages, name)
}
func (*progress) Detail(string, ...any) {}
func (p *progress) Count(done, _ int64, _ string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = append(p.counts, done)
}

func (f *fakes) left(t *testing.T) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(f.dir, "package.*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestOpen(t *testing.T) {
	f := newFakes(t, fakeGet(`deb\n`), fakeCache(), fakeDeb)
	var p progress
	pkg, err := f.Open(t.Context(), "linux-image-cloud-amd64", &p)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("deb\n"))
	want := []kernel.PackageFile{{
		Name: "linux-image-6.1.0-9-cloud-amd64", Version: "6.1.9-1", URL: "http://deb.example/linux.deb", SHA256: hex.EncodeToString(sum[:]),
	}}
	if diff := cmp.Diff(want, pkg.Parts); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if got, err := fs.ReadFile(pkg, "boot/vmlinuz"); err != nil || string(got) != "deb\n" {
		t.Errorf("unpacked %q, %v", got, err)
	}
	if got := fmt.Sprint(p.stages, p.counts); got != "[download unpack] [0 2 4]" {
		t.Errorf("progress %s", got)
	}
	if err := pkg.Close(); err != nil || len(f.left(t)) != 0 {
		t.Errorf("closed: %v, left %v", err, f.left(t))
	}
	log, err := os.ReadFile(f.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.HasPrefix(line, "apt-get") && !strings.Contains(line, "APT::Get::AllowUnauthenticated=false") {
			t.Errorf("without authentication: %s", line)
		}
	}
}

// ubuntu is an apt-cache with Ubuntu's packages of a kernel, whose modules are packed
// apart, and which names no versions.
const ubuntu = `case "${!#}" in
linux-image-virtual) echo "Depends: linux-image-6.8.0-9-generic" ;;
linux-image-generic) echo "Depends: linux-image-6.8.0-9-generic, linux-modules-extra-6.8.0-9-generic, linux-firmware, intel-microcode" ;;
linux-image-6.8.0-9-generic) printf '%s\n' "Version: 6.8.0-9.9" "Depends: kmod, linux-base (>= 4.5), linux-modules-6.8.0-9-generic" ;;
linux-modules-*) echo "Version: 6.8.0-9.9" ;;
*) exit 100 ;;
esac`

// ubuntuGet has each package's name as its content.
const ubuntuGet = `case "$*" in
*--print-uris*) name="${!#}"; name="${name%%=*}"; echo "'http://ubuntu.example/$name.deb' $name.deb $(printf "$name" | wc -c)" ;;
*Status-Fd=3*) for spec; do case "$spec" in linux-*=6.8.0-9.9) name="${spec%%=*}"; printf "$name" > "$name.deb" ;; esac; done ;;
*update*) ;;
*) exit 100 ;;
esac`

// ubuntuDeb unpacks a package into a file of its name.
const ubuntuDeb = `mkdir -p "$3" && cp "$2" "$3/$(cat "$2")"`

// TestModulesThatArePackedApart: all that makes a kernel is one tree.
func TestModulesThatArePackedApart(t *testing.T) {
	for meta, want := range map[string][]string{
		"linux-image-virtual": {"linux-image-6.8.0-9-generic", "linux-modules-6.8.0-9-generic"},
		"linux-image-generic": {"linux-image-6.8.0-9-generic", "linux-modules-6.8.0-9-generic", "linux-modules-extra-6.8.0-9-generic"},
	} {
		t.Run(meta, func(t *testing.T) {
			f := newFakes(t, ubuntuGet, ubuntu, ubuntuDeb)
			pkg, err := f.Open(t.Context(), meta, &progress{})
			if err != nil {
				t.Fatal(err)
			}
			defer pkg.Close() //nolint:errcheck // of a test
			var names []string
			for _, p := range pkg.Parts {
				names = append(names, p.Name)
				if p.Version != "6.8.0-9.9" || p.URL != "http://ubuntu.example/"+p.Name+".deb" || len(p.SHA256) != 64 {
					t.Errorf("%+v", p)
				}
				if got, err := fs.ReadFile(pkg, p.Name); err != nil || string(got) != p.Name {
					t.Errorf("unpacked %q, %v", got, err)
				}
			}
			if !slices.Equal(names, want) {
				t.Errorf("packages %v, want %v", names, want)
			}
		})
	}
}

// TestModulesThatAreMissing are no kernel without modules.
func TestModulesThatAreMissing(t *testing.T) {
	cache := strings.Replace(ubuntu, "linux-modules-*)", "none)", 1)
	f := newFakes(t, ubuntuGet, cache, ubuntuDeb)
	if _, err := f.Open(t.Context(), "linux-image-virtual", &progress{}); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "linux-modules-6.8.0-9-generic") {
		t.Errorf("error %v", err)
	}
}

func TestListsOfItsOwnWhereTheHostsAreTooOld(t *testing.T) {
	f := newFakes(t, fakeGet(`deb\n`), `case "$*" in *Dir::State=*) printf '%s\n' "Depends: linux-image-6 (= 1)" ;; *) exit 100 ;; esac`, fakeDeb)
	var p progress
	pkg, err := f.Open(t.Context(), "meta", &p)
	if err != nil {
		t.Fatal(err)
	}
	defer pkg.Close() //nolint:errcheck // of a test
	if got := fmt.Sprint(p.stages); got != "[download package lists download unpack]" {
		t.Errorf("stages %s", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		get, cache, deb string
		code            fault.Code
		want            string
	}{
		"a package of another hash": {fakeGet(`DEB\n`), fakeCache(), fakeDeb, fault.Invalid, "the package list says"},
		"no such package":           {fakeGet(`deb\n`), "echo 'E: No packages found' >&2; exit 100", fakeDeb, fault.Unavailable, "apt does not know the package"},
		"a package of no kernel":    {fakeGet(`deb\n`), "echo 'Depends: libc6 (= 1), linux-image-x'", fakeDeb, fault.Unavailable, "depends on no kernel"},
		"an unsigned source":        {`case "$*" in *--print-uris*) echo "'u' linux.deb 4" ;; *update*) ;; *) echo 'E: not authenticated' >&2; exit 100 ;; esac`, fakeCache(), fakeDeb, fault.Unavailable, "not authenticated"},
		"a file elsewhere":          {`case "$*" in *--print-uris*) echo "'u' ../linux.deb 4" ;; esac`, fakeCache(), fakeDeb, fault.Unavailable, "does not say where"},
		"no network":                {`case "$*" in *update*) echo 'E: no route' >&2; exit 100 ;; esac; exit 100`, fakeCache(), fakeDeb, fault.Unavailable, "no route"},
		"a damaged package":         {fakeGet(`deb\n`), fakeCache(), "echo 'not a Debian archive' >&2; exit 2", "", "not a Debian archive"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakes(t, test.get, test.cache, test.deb)
			_, err := f.Open(t.Context(), "linux-image-cloud-amd64", &progress{})
			if err == nil || test.code != "" && !errors.Is(err, test.code) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s with %q", err, test.code, test.want)
			}
			if left := f.left(t); len(left) != 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestAHostWithoutApt(t *testing.T) {
	f := newFakes(t, "", "", "")
	f.tools.cache = "/nonexistent/apt-cache"
	if _, err := f.Open(t.Context(), "meta", &progress{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("error %v", err)
	}
}

// TestCancelEndsAll: the program, and what it started.
func TestCancelEndsAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := newFakes(t, `case "$*" in *--print-uris*) echo "'u' linux.deb 4" ;; *) echo dlstatus:1:0:begun >&3; sleep 600 & wait ;; esac`, fakeCache(), fakeDeb)
	_, err := f.Open(ctx, "linux-image-cloud-amd64", &onCount{f: func(n int) {
		if n == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "cannot") || len(f.left(t)) != 0 {
		t.Errorf("error %v, left %v", err, f.left(t))
	}
}

// TestCancelIsNoFaultOfApt: what was canceled is no unknown package.
func TestCancelIsNoFaultOfApt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := newFakes(t, fakeGet(`deb\n`), fakeCache(), fakeDeb)
	_, err := f.Open(ctx, "linux-image-cloud-amd64", &progress{})
	if !errors.Is(err, context.Canceled) || errors.Is(err, fault.Unavailable) {
		t.Errorf("error %v", err)
	}
}

type onCount struct {
	progress
	n int
	f func(n int)
}

func (p *onCount) Count(int64, int64, string) {
	p.n++
	p.f(p.n)
}

func TestSweep(t *testing.T) {
	f := newFakes(t, "", "", "")
	for _, name := range []string{"package.1.staging/tree", "other"} {
		if err := os.MkdirAll(filepath.Join(f.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(f.dir); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

// FuzzApt: what apt says is no name that leads elsewhere.
func FuzzApt(f *testing.F) {
	f.Add(record)
	f.Add("'http://x/a.deb' a.deb 12 SHA256:00")
	f.Add("'u' /../a.deb 1")
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := parseLocation(text); err == nil && (strings.Contains(l.file, "/") || l.size < 1) {
			t.Errorf("%q is %+v", text, l)
		}
		if w, found := dependency(text, func(string) bool { return true }); found && strings.ContainsAny(w.name+w.version, " /=\n") {
			t.Errorf("%q depends on %q %q", text, w.name, w.version)
		}
		parseStatus(text)
	})
}
