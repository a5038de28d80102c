package aptkernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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
		text := fmt.Sprintf("#!/bin/sh\necho \"%s $*\" >> %s\n%s\n", name, f.log, body)
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
	if pkg.Name != "linux-image-6.1.0-9-cloud-amd64" || pkg.Version != "6.1.9-1" || pkg.URL != "http://deb.example/linux.deb" {
		t.Errorf("package %+v", pkg)
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
		if name, version, err := dependency(text, "m"); err == nil && strings.ContainsAny(name+version, " /=\n") {
			t.Errorf("%q depends on %q %q", text, name, version)
		}
		parseStatus(text)
	})
}
