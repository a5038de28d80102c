package ext4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/fault"
)

// source writes content into a file of the host, for debugfs's write.
func source(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, fs *ext4.FS, path string) string {
	t.Helper()
	n, err := fs.Lookup(t.Context(), path)
	if err != nil || n == nil {
		t.Fatalf("%s: %v, %v", path, n, err)
	}
	r, err := fs.Content(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(data)
}

func TestFiles(t *testing.T) {
	big := make([]byte, 3<<20) // with a hole in the middle
	copy(big, "begin")
	copy(big[len(big)-3:], "end")
	commands := []string{
		"mkdir d", "cd d", "mkdir many", "write " + source(t, big) + " big", "symlink short target", "symlink long " + strings.Repeat("x", 200),
		"mknod tty c 5 1", "mknod disk b 8 300", "mknod fifo p", "ln big again", "sif big links_count 2",
		"sif big mode 0104751", "sif big uid 70000", "sif big gid 100", "sif big mtime 20240102030405",
		"ea_set big user.colour blue", "ea_set . trusted.overlay.opaque y", "ea_set big user.long " + strings.Repeat("v", 200),
		"cd many",
	}
	for i := range 300 { // more than a block of names
		commands = append(commands, fmt.Sprintf("symlink %s-%d x", strings.Repeat("n", 30), i))
	}
	fs := ext4test.Open(t, ext4test.Make(t, commands...))
	if got := read(t, fs, "d/big"); got != string(big) {
		t.Errorf("the content differs: %d bytes", len(got))
	}
	n, err := fs.Lookup(t.Context(), "d/big")
	if err != nil {
		t.Fatal(err)
	}
	if n.Type != ext4.TypeRegular || n.Mode != 0o4751 || n.UID != 70000 || n.GID != 100 || n.Links != 2 ||
		n.ModTime.Format("20060102150405") != "20240102030405" {
		t.Errorf("%+v", n)
	}
	attrs, err := fs.Xattrs(n)
	if diff := cmp.Diff(map[string]string{"user.colour": "blue", "user.long": strings.Repeat("v", 200)}, attrs); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	for path, want := range map[string]string{"d/short": "target", "d/long": strings.Repeat("x", 200)} {
		n, err := fs.Lookup(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.Readlink(t.Context(), n); err != nil || got != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for path, want := range map[string][3]uint32{"d/tty": {ext4.TypeChar, 5, 1}, "d/disk": {ext4.TypeBlock, 8, 300}, "d/fifo": {ext4.TypeFIFO, 0, 0}} {
		n, err := fs.Lookup(t.Context(), path)
		if got := [3]uint32{uint32(n.Type), n.Major, n.Minor}; err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
	dir, err := fs.Lookup(t.Context(), "d/many")
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	if err := fs.ReadDir(t.Context(), dir, func(ext4.Entry) error { names++; return nil }); err != nil || names != 300 {
		t.Errorf("%d names, %v", names, err)
	}
	if n, err := fs.Lookup(t.Context(), "d/big/below"); n != nil || err != nil {
		t.Errorf("below a file: %v, %v", n, err)
	}
}

// TestJournal: what a machine left in the journal when it was ended hard is read as
// e2fsck would carry it out.
func TestJournal(t *testing.T) {
	path := ext4test.Make(t, "write "+source(t, bytes.Repeat([]byte("old!"), 1024))+" f", "write "+source(t, bytes.Repeat([]byte("kept"), 1024))+" g")
	first := func(name string) string {
		out, err := exec.CommandContext(t.Context(), ext4test.Program(t, "debugfs"), "-R", "blocks "+name, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	magic := append([]byte{0xC0, 0x3B, 0x39, 0x98}, bytes.Repeat([]byte("new!"), 1023)...)
	f, g := first("f"), first("g")
	ext4test.Debugfs(t, path, "jo", "jw -b "+g+" "+source(t, magic), "jw -b "+f+" "+source(t, magic), "jw -r "+g, "jc")
	fs := ext4test.Open(t, path)
	got := [2]string{read(t, fs, "f"), read(t, fs, "g")}

	whole := filepath.Join(t.TempDir(), "whole")
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(whole, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), ext4test.Program(t, "e2fsck"), "-fy", "-E", "journal_only", whole).CombinedOutput(); err != nil && !strings.Contains(string(out), "recovering") {
		t.Fatalf("%v: %s", err, out)
	}
	fs = ext4test.Open(t, whole)
	want := [2]string{read(t, fs, "f"), read(t, fs, "g")}
	if got != want {
		t.Errorf("f is the same: %v, g: %v", got[0] == want[0], got[1] == want[1])
	}
	if got[0] != string(magic) || !strings.HasPrefix(got[1], "kept") {
		t.Errorf("f begins with %q, g with %q", got[0][:8], got[1][:8])
	}
}

// counted counts the reads.
type counted struct {
	io.ReaderAt
	reads int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	return c.ReaderAt.ReadAt(b, off)
}

// TestExtentsOfASmallFile: a tree of extents that leads to the same blocks over and over
// costs no more than the file's size is worth, and what is reserved beyond the size does
// not count.
func TestExtentsOfASmallFile(t *testing.T) {
	path := ext4test.Make(t, "write "+source(t, bytes.Repeat([]byte("x"), 4*4096))+" f", "write "+source(t, bytes.Repeat([]byte("y"), 4*4096))+" g", "sif g size 5")
	if got := read(t, ext4test.Open(t, path), "g"); got != "yyyyy" {
		t.Errorf("g is %q", got)
	}
	out, err := exec.CommandContext(t.Context(), ext4test.Program(t, "debugfs"), "-R", "blocks f", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var at [4]uint32
	if _, err := fmt.Sscan(string(out), &at[0], &at[1], &at[2], &at[3]); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	node := func(b []byte, entries, depth int, child uint32) {
		binary.LittleEndian.PutUint16(b[0:], 0xF30A)
		binary.LittleEndian.PutUint16(b[2:], uint16(entries)) //nolint:gosec // small
		binary.LittleEndian.PutUint16(b[6:], uint16(depth))   //nolint:gosec // small
		for e := range entries {
			clear(b[12+12*e : 24+12*e])
			binary.LittleEndian.PutUint32(b[16+12*e:], child)
		}
	}
	leaf := binary.LittleEndian.AppendUint32([]byte{4, 0, 0, 0}, at[0]) // 4 blocks, from this one
	root := bytes.Index(data, leaf) - 12 - 4
	if root < 0 {
		t.Fatal("the inode was not found")
	}
	node(data[root:], 4, 4, at[0])
	for i, b := range at {
		if i == 3 {
			node(data[b*4096:], 0, 0, 0)
		} else {
			node(data[b*4096:], 340, 3-i, at[i+1])
		}
	}
	r := &counted{ReaderAt: bytes.NewReader(data)}
	fs, err := ext4.Open(t.Context(), r, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	n, err := fs.Lookup(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	r.reads = 0
	if _, err := fs.Content(t.Context(), n); !errors.Is(err, fault.Invalid) || r.reads > 100 {
		t.Errorf("%v, after %d reads", err, r.reads)
	}
}

// TestLookupInHugeDirectories: a directory can be the same blocks over and over, and a
// path can lead through it again and again.
func TestLookupInHugeDirectories(t *testing.T) {
	fs := ext4test.Open(t, ext4test.Make(t, "mkdir d", "cd d", "mkdir e", "cd /", "sif d size 0x1000001"))
	if n, err := fs.Lookup(t.Context(), "d/e"); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v, %v, want Invalid", n, err)
	}
	if n, err := fs.Lookup(t.Context(), "d"); err != nil || n == nil {
		t.Errorf("%v, %v", n, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	good, err := os.ReadFile(ext4test.Make(t, "mkdir d"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(b []byte) []byte{
		"nothing":              func([]byte) []byte { return nil },
		"no filesystem":        func(b []byte) []byte { return make([]byte, len(b)) },
		"a short file":         func(b []byte) []byte { return b[:1<<20] },
		"no blocks in a group": func(b []byte) []byte { clear(b[1024+32 : 1024+36]); return b },
		"no inodes in a group": func(b []byte) []byte { clear(b[1024+40 : 1024+44]); return b },
		"huge blocks":          func(b []byte) []byte { b[1024+24] = 40; return b },
		"unknown features":     func(b []byte) []byte { b[1024+98] = 1; return b },
		"odd descriptors":      func(b []byte) []byte { b[1024+254] = 33; return b },
	} {
		b := change(bytes.Clone(good))
		if _, err := ext4.Open(t.Context(), bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
}

// FuzzRead: a damaged filesystem is an error, never a panic or an endless read.
func FuzzRead(f *testing.F) {
	path := ext4test.Make(f, "mkdir d", "cd d", "symlink l target", "ea_set . user.a b", "mknod c c 0 0")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(1024+32), []byte{0, 0, 0, 0})
	f.Add(uint32(4096), []byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		r := &patched{good, int64(at) % int64(len(good)), change}
		fs, err := ext4.Open(t.Context(), r, int64(len(good)))
		if err != nil {
			return
		}
		root, err := fs.Inode(ext4.RootInode)
		if err != nil {
			return
		}
		_ = fs.ReadDir(t.Context(), root, func(e ext4.Entry) error {
			n, err := fs.Inode(e.Inode)
			if err != nil {
				return err
			}
			_, _ = fs.Xattrs(n)
			_, _ = fs.Readlink(t.Context(), n)
			if n.IsDir() {
				return fs.ReadDir(t.Context(), n, func(ext4.Entry) error { return nil })
			}
			return nil
		})
	})
}

// patched is bytes of which some are others.
type patched struct {
	good   []byte
	at     int64
	change []byte
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.good).ReadAt(b, off)
	for i := range n {
		if k := off + int64(i) - p.at; k >= 0 && k < int64(len(p.change)) {
			b[i] = p.change[k]
		}
	}
	return n, err
}
