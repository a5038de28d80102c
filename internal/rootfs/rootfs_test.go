package rootfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/rootfs"
)

// tool returns the path of a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	unavailable(t, name+" is not installed")
	return ""
}

func unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func fsck(t *testing.T, path string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), tool(t, "e2fsck"), "-fn", path).CombinedOutput(); err != nil {
		t.Fatalf("e2fsck -fn %s: %v\n%s", path, err, out)
	}
}

func debugfs(t *testing.T, path, request string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, "debugfs"), "-R", request, path).Output()
	if err != nil {
		t.Fatalf("debugfs -R %q: %v", request, err)
	}
	return string(out)
}

type file struct {
	tar.Header
	body []byte
}

func makeTar(t *testing.T, files []file) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range files {
		f.Size = int64(len(f.body))
		if err := tw.WriteHeader(&f.Header); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if _, err := tw.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func torture() []file {
	long := strings.Repeat("n", 255)
	big := make([]byte, 3<<20)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range big {
		big[i] = byte(source.Uint32())
	}
	at := time.Unix(1700000000, 123456789)
	return []file{
		{Header: tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}},
		{Header: tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o750, Uid: 70000, Gid: 70001}},
		{Header: tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644, ModTime: at, Format: tar.FormatPAX}, body: []byte("root:x:0:0::/root:/bin/sh\n")},
		{Header: tar.Header{Name: "etc/hard", Typeflag: tar.TypeLink, Linkname: "etc/passwd"}},
		{Header: tar.Header{Name: "etc/soft", Typeflag: tar.TypeSymlink, Linkname: "../../../etc/passwd"}},
		{Header: tar.Header{Name: "etc/" + long, Typeflag: tar.TypeReg, Mode: 0o4755}, body: []byte("x")},
		{Header: tar.Header{Name: "null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3}},
		{Header: tar.Header{Name: "pipe", Typeflag: tar.TypeFifo, Mode: 0o600}},
		{Header: tar.Header{Name: "big", Typeflag: tar.TypeReg, Mode: 0o644}, body: big},
		{Header: tar.Header{Name: "holes", Typeflag: tar.TypeReg, Mode: 0o644}, body: make([]byte, 32<<20)},
		{Header: tar.Header{
			Name: "ping", Typeflag: tar.TypeReg, Mode: 0o755, Format: tar.FormatPAX,
			PAXRecords: map[string]string{
				"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
				"SCHILY.xattr.user.long":           strings.Repeat("v", 3000),
			},
		}, body: []byte("#!")},
	}
}

func TestFromTarIsCleanExactAndSparse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rootfs.ext4")
	files := torture()
	info, err := rootfs.FromTar(t.Context(), bytes.NewReader(makeTar(t, files)), path, rootfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fsck(t, path)
	if info.UUID == "" || info.UUID == "00000000-0000-0000-0000-000000000000" {
		t.Error("the UUID is null")
	}
	if info.DiskBytes >= info.SizeBytes-(30<<20) {
		t.Errorf("%d bytes on disk of %d: 32 MiB of zeros were stored", info.DiskBytes, info.SizeBytes)
	}
	for _, name := range []string{"etc/passwd", "etc/hard", "big"} {
		want := files[2].body
		if name == "big" {
			want = files[8].body
		}
		if got := debugfs(t, path, "cat "+name); got != string(want) {
			t.Errorf("%s has other content (%d bytes, want %d)", name, len(got), len(want))
		}
	}
	stat := debugfs(t, path, "stat etc/passwd")
	if !strings.Contains(stat, "Links: 2") || !strings.Contains(stat, "0x6553f100:") {
		t.Errorf("links or mtime of etc/passwd are wrong:\n%s", stat)
	}
	if got := debugfs(t, path, "stat etc"); !strings.Contains(got, "User: 70000   Group: 70001") {
		t.Errorf("the owner of etc is wrong:\n%s", got)
	}
	if got := debugfs(t, path, "stat null"); !strings.Contains(got, "character special") || !strings.Contains(got, "01:03") {
		t.Errorf("null is not the device 1:3:\n%s", got)
	}
	if got := debugfs(t, path, "ea_get -x ping security.capability"); !strings.Contains(got, "01 00 00 02 00 20") {
		t.Errorf("the capability of ping is %q", got)
	}
}

func TestFromTarManyGroups(t *testing.T) {
	// Enough inodes and blocks for several block groups, so that each inode
	// bitmap's padding counts.
	var files []file
	for i := range 9000 {
		files = append(files, file{Header: tar.Header{Name: "d" + string(rune('a'+i%7)) + "/" + strings.Repeat("f", 1+i/100) + string(rune('a'+i%26)) + string(rune('a'+i%100/26)), Typeflag: tar.TypeReg, Mode: 0o600}})
	}
	files = append(files, file{Header: tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o600}, body: make([]byte, 300<<20)})
	seen := map[string]bool{}
	unique := files[:0]
	for _, f := range files {
		if !seen[f.Name] {
			unique = append(unique, f)
		}
		seen[f.Name] = true
	}
	path := filepath.Join(t.TempDir(), "rootfs.ext4")
	if _, err := rootfs.FromTar(t.Context(), bytes.NewReader(makeTar(t, unique)), path, rootfs.Options{}); err != nil {
		t.Fatal(err)
	}
	fsck(t, path)
}

func TestFromTarLeavesNothingOnErrors(t *testing.T) {
	whole := makeTar(t, torture())
	broken := errors.New("the line broke")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		r    io.Reader
		want error
	}{
		{"truncated", t.Context(), bytes.NewReader(whole[:4<<20]), fault.Invalid},
		{"no tar", t.Context(), strings.NewReader(strings.Repeat("x", 4096)), fault.Invalid},
		{"a stream that breaks", t.Context(), io.MultiReader(bytes.NewReader(whole[:8192]), errReader{broken}), broken},
		{"cancelled", canceled, bytes.NewReader(whole), context.Canceled},
		{"too big", t.Context(), bytes.NewReader(whole), fault.Invalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			opts := rootfs.Options{}
			if test.name == "too big" {
				opts.MaxBytes = 1 << 20
			}
			_, err := rootfs.FromTar(test.ctx, test.r, filepath.Join(dir, "rootfs.ext4"), opts)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// atEnd calls then when all of r is read.
type atEnd struct {
	r    *bytes.Reader
	then func()
}

func (a atEnd) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if a.r.Len() == 0 {
		a.then()
	}
	return n, err
}

// TestCancelWhileTheTablesAreWritten: what is left to do after the stream's end
// is interrupted too.
func TestCancelWhileTheTablesAreWritten(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	_, err := rootfs.FromTar(ctx, atEnd{bytes.NewReader(makeTar(t, torture())), cancel}, filepath.Join(dir, "rootfs.ext4"), rootfs.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
