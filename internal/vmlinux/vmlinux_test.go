package vmlinux_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/vmlinux"
)

const testVersion = "6.1.0-56-cloud-amd64"

// fakeELF makes a file that looks like a vmlinux: an ELF header, a PT_NOTE
// segment with the PVH entry if pvh, the banner, and size bytes of filling.
func fakeELF(machine elf.Machine, pvh bool, size int) []byte {
	le := binary.LittleEndian
	note := []byte{}
	if pvh {
		note = le.AppendUint32(note, 4)
		note = le.AppendUint32(note, 4)
		note = le.AppendUint32(note, 18)
		note = append(note, "Xen\x00\x00\x00\x00\x01"...)
	}
	b := make([]byte, 64+56)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA], b[elf.EI_VERSION] = 2, 1, 1
	le.PutUint16(b[16:], uint16(elf.ET_EXEC))
	le.PutUint16(b[18:], uint16(machine))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64) // phoff
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	le.PutUint32(b[64:], uint32(elf.PT_NOTE))
	le.PutUint64(b[72:], 120)
	le.PutUint64(b[96:], uint64(len(note)))
	b = append(b, note...)
	filling := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(filling); i += 16 { // half compressible, with x86 calls for BCJ
		le.PutUint64(filling[i:], rng.Uint64()|0xe8)
	}
	half := len(filling) / 2
	b = append(b, filling[:half]...)
	b = append(b, "Linux version "+testVersion+" (someone) #1\n\x00"...)
	return append(b, filling[half:]...)
}

func compress(t testing.TB, data []byte, name string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, "no %s here", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return out
}

func skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func TestExtractEachCompression(t *testing.T) {
	methods := map[string]struct {
		argv    []string
		trailer bool
	}{
		"gzip":  {[]string{"gzip", "-c"}, false},
		"bzip2": {[]string{"bzip2", "-c"}, true},
		"xz":    {[]string{"xz", "-c", "--check=crc32", "--x86", "--lzma2=preset=1,dict=32MiB"}, true},
		"lz4":   {[]string{"lz4", "-l", "-c"}, true},
		"zstd":  {[]string{"zstd", "-c", "-3", "--long=27"}, true},
	}
	for name, m := range methods {
		t.Run(name, func(t *testing.T) {
			size := 1 << 20
			if name == "lz4" {
				size = 9 << 20 // more than one of its blocks
			}
			want := fakeELF(elf.EM_X86_64, true, size)
			payload := compress(t, want, m.argv[0], m.argv[1:]...)
			if m.trailer {
				payload = kerneltest.WithSize(payload, len(want))
			}
			var out bytes.Buffer
			got, err := vmlinux.Extract(t.Context(), bytes.NewReader(kerneltest.BzImage(payload, testVersion)), &out)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("%d bytes out, want the %d that went in", out.Len(), len(want))
			}
			if diff := cmp.Diff(kernel.Binary{Version: testVersion, Architecture: "amd64"}, got); diff != "" {
				t.Error(diff)
			}

			_, err = vmlinux.Extract(t.Context(), bytes.NewReader(kerneltest.BzImage(payload, "")[:len(payload)]), &out)
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("a truncated one: %v, want Invalid", err)
			}
			if !m.trailer {
				return
			}
			payload[len(payload)-1] ^= 1
			_, err = vmlinux.Extract(t.Context(), bytes.NewReader(kerneltest.BzImage(payload, "")), &out)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), " instead of ") {
				t.Errorf("one of another size than it says: %v, want Invalid", err)
			}
		})
	}
}

func TestExtractPassesThroughWhatIsUncompressed(t *testing.T) {
	arm := make([]byte, 4096)
	copy(arm[56:], "ARM\x64")
	copy(arm[100:], "Linux version 6.12.1 (x)")
	vm := fakeELF(elf.EM_X86_64, false, 100_000)
	for name, c := range map[string]struct {
		in, out []byte
		want    kernel.Binary
	}{
		"vmlinux":       {vm, vm, kernel.Binary{Version: testVersion, Architecture: "amd64"}},
		"arm64 vmlinux": {fakeELF(elf.EM_AARCH64, false, 9), fakeELF(elf.EM_AARCH64, false, 9), kernel.Binary{Version: testVersion, Architecture: "arm64"}},
		"Image":         {arm, arm, kernel.Binary{Version: "6.12.1", Architecture: "arm64"}},
		"Image.gz":      {compress(t, arm, "gzip", "-c"), arm, kernel.Binary{Version: "6.12.1", Architecture: "arm64"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			got, err := vmlinux.Extract(t.Context(), bytes.NewReader(c.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), c.out) {
				t.Error("the bytes differ")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExtractRefuses(t *testing.T) {
	le := binary.LittleEndian
	old := kerneltest.BzImage([]byte("x"), "")
	le.PutUint16(old[0x206:], 0x0207)
	for name, in := range map[string][]byte{
		"nothing":                {},
		"text":                   []byte(strings.Repeat("no kernel\n", 100)),
		"an old boot protocol":   old,
		"an empty payload":       kerneltest.BzImage(nil, ""),
		"lzma":                   kerneltest.BzImage([]byte("\x5d\x00\x00\x80\x00xxxxxxxxxxx"), ""),
		"no method at all":       kerneltest.BzImage(bytes.Repeat([]byte("z"), 100), ""),
		"a payload not a kernel": kerneltest.BzImage(compress(t, []byte(strings.Repeat("text ", 100)), "gzip", "-c"), ""),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vmlinux.Extract(t.Context(), bytes.NewReader(in), &bytes.Buffer{})
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%v, want Invalid", err)
			}
		})
	}
}

// zeros is a writer's worth of nothing, to test the bound without the memory.
type zeros struct{}

func (zeros) Write(p []byte) (int, error) { return len(p), nil }

func TestExtractIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("decompresses 512 MiB")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "head -c 540000000 /dev/zero | zstd -c -1")
	bomb, err := cmd.Output()
	if err != nil {
		skip(t, "no zstd: %v", err)
	}
	_, err = vmlinux.Extract(t.Context(), bytes.NewReader(kerneltest.BzImage(kerneltest.WithSize(bomb, 540000000), "")), zeros{})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v, want Invalid: larger than", err)
	}
}

func TestExtractStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := vmlinux.Extract(ctx, bytes.NewReader(fakeELF(elf.EM_X86_64, false, 1<<20)), &bytes.Buffer{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// TestDriversThatAreBuiltIn are found wherever in the kernel their names are.
func TestDriversThatAreBuiltIn(t *testing.T) {
	const border = 1 << 20
	image := fakeELF(elf.EM_X86_64, false, 3*border)
	for name, at := range map[string]int{"virtio-mmio\x00": 4096, "virtio_blk\x00": border - 5, "overlay\x00": len(image) - 8, "ext4 ": 9000} {
		copy(image[at:], name)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vmlinux"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := vmlinux.Executables{}.Extract(t.Context(), os.DirFS(dir), "vmlinux", filepath.Join(dir, "out"))
	if err != nil || bin.Lacks != "ext4" {
		t.Errorf("it lacks %q, %v; want ext4", bin.Lacks, err)
	}
}

func TestExecutablesOnFiles(t *testing.T) {
	dir := t.TempDir()
	want := fakeELF(elf.EM_X86_64, true, 1<<20)
	image := kerneltest.BzImage(kerneltest.WithSize(compress(t, want, "lz4", "-l", "-c"), len(want)), testVersion)
	if err := os.WriteFile(filepath.Join(dir, "vmlinuz"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	var exe vmlinux.Executables
	bin, err := exe.Probe(t.Context(), os.DirFS(dir), "vmlinuz")
	if diff := cmp.Diff(kernel.Binary{Version: testVersion, Architecture: "amd64"}, bin); err != nil || diff != "" {
		t.Error(err, diff)
	}
	dst := filepath.Join(dir, "out")
	bin, err = exe.Extract(t.Context(), os.DirFS(dir), "vmlinuz", dst)
	if err != nil || !bin.PVH || bin.Lacks != "virtio-mmio, virtio_blk, ext4, overlay" {
		t.Errorf("%+v, %v; want PVH, and no driver", bin, err)
	}
	if got, err := os.ReadFile(dst); err != nil || !bytes.Equal(got, want) {
		t.Error("the file is not what went in", err)
	}
	if _, err := exe.Extract(t.Context(), os.DirFS(dir), "vmlinuz", dst); !errors.Is(err, os.ErrExist) {
		t.Errorf("onto an existing file: %v, want ErrExist", err)
	}
}

// TestSectionsCostNothing: a kernel may say that it has very many.
func TestSectionsCostNothing(t *testing.T) {
	const sections = 200_000
	file := fakeELF(elf.EM_X86_64, true, 1<<10)
	table := len(file)
	file = append(file, make([]byte, sections*64)...)
	binary.LittleEndian.PutUint64(file[40:], uint64(table)) // shoff
	binary.LittleEndian.PutUint16(file[58:], 64)
	binary.LittleEndian.PutUint64(file[table+32:], sections) // where shnum is 0
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vmlinux"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	bin, err := vmlinux.Executables{}.Extract(t.Context(), os.DirFS(dir), "vmlinux", filepath.Join(dir, "out"))
	runtime.ReadMemStats(&after)
	if err != nil || !bin.PVH {
		t.Errorf("%+v, %v; want PVH", bin, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%s were used", fault.Bytes(int64(used)))
	}
}

func TestRealKernel(t *testing.T) {
	dir := filepath.Join(kerneltest.Package(t), "boot")
	names, err := filepath.Glob(dir + "/vmlinuz-*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no vmlinuz in %s: %v", dir, err)
	}
	dst := filepath.Join(t.TempDir(), "vmlinux")
	bin, err := vmlinux.Executables{}.Extract(t.Context(), os.DirFS(dir), filepath.Base(names[0]), dst)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(filepath.Base(names[0]), "vmlinuz-"); bin.Version != want || !bin.PVH || bin.Architecture != "amd64" {
		t.Errorf("%+v, want version %s with PVH", bin, want)
	}
	if _, err := elf.Open(dst); err != nil {
		t.Error(err)
	}
}

func FuzzExtract(f *testing.F) {
	small := fakeELF(elf.EM_X86_64, true, 2000)
	f.Add(kerneltest.BzImage(compress(f, small, "gzip", "-c"), testVersion))
	f.Add(kerneltest.BzImage(kerneltest.WithSize(compress(f, small, "lz4", "-l", "-c"), len(small)), testVersion))
	f.Add(kerneltest.BzImage(kerneltest.WithSize(compress(f, small, "zstd", "-c"), len(small)), testVersion))
	f.Add(kerneltest.BzImage(kerneltest.WithSize(compress(f, small, "xz", "-c", "--check=crc32", "--x86", "--lzma2=preset=0"), len(small)), testVersion))
	f.Add(kerneltest.BzImage(kerneltest.WithSize(compress(f, small, "bzip2", "-c"), len(small)), testVersion))
	f.Add(small)
	f.Add(fakeELF(elf.EM_AARCH64, false, 112))
	arm := make([]byte, 300)
	copy(arm[56:], "ARM\x64")
	copy(arm[100:], "Linux version 6.12.1 (x)")
	f.Add(arm)
	f.Add(compress(f, arm, "gzip", "-c"))
	f.Add(kerneltest.BzImage(compress(f, []byte("text"), "gzip", "-c"), ""))
	f.Add(kerneltest.BzImage([]byte("\x5d\x00\x00\x80\x00xxxxxxxxxxx"), testVersion))
	f.Add(kerneltest.BzImage(compress(f, small, "lz4", "-l", "-c"), testVersion)) // without its size
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, in []byte) {
		bin, err := vmlinux.Extract(t.Context(), bytes.NewReader(in), zeros{})
		if err == nil && bin.Architecture == "" {
			t.Error("extracted without an architecture")
		}
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%v is not Invalid", err)
		}
		if err != nil {
			return
		}
		// From a file its notes are read too.
		if err := os.WriteFile(filepath.Join(dir, "in"), in, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := vmlinux.Executables{}.Extract(t.Context(), os.DirFS(dir), "in", filepath.Join(dir, "out"))
		if got.PVH, got.Lacks = false, ""; err != nil || got != bin {
			t.Errorf("%+v, %v from a file; %+v from a stream", got, err, bin)
		}
		if err := os.Remove(filepath.Join(dir, "out")); err != nil {
			t.Fatal(err)
		}
	})
}
