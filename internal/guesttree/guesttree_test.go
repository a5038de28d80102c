package guesttree_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guesttree"
)

// text makes a file of the host with this content, for debugfs's write.
func text(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree reads a tar as one line for each name.
func tree(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	all := map[string]string{}
	for tr := tar.NewReader(r); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		line := string(hdr.Typeflag) + " " + hdr.Linkname + string(content)
		if hdr.Typeflag == tar.TypeLink {
			line += fmt.Sprintf(" %o", hdr.Mode)
		}
		for key, value := range hdr.PAXRecords {
			if strings.HasPrefix(key, "SCHILY.xattr.") {
				line += " " + key + "=" + value
			}
		}
		if _, twice := all[hdr.Name]; twice {
			t.Errorf("%q is there twice", hdr.Name)
		}
		all[hdr.Name] = line
	}
}

func write(t *testing.T, src guesttree.Source) map[string]string {
	t.Helper()
	var out, again bytes.Buffer
	if err := errors.Join(guesttree.WriteTar(t.Context(), &out, src), guesttree.WriteTar(t.Context(), &again, src)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Error("the same tree gave other bytes")
	}
	return tree(t, &out)
}

// handle is the name in overlayfs's index for an inode of the image.
func handle(ino uint32) string {
	b := make([]byte, 29)
	b[1], b[2], b[4] = 0xfb, 29, 1
	b[21], b[22] = byte(ino), byte(ino>>8)
	return hex.EncodeToString(b)
}

// TestOverlay: the tree is what overlayfs shows the guest.
func TestOverlay(t *testing.T) {
	a, b := text(t, "a"), text(t, "b")
	image := ext4test.Make(t,
		"mkdir etc", "mkdir root", "mkdir old", "mkdir gone", "mkdir anew", "cd etc",
		"write "+a+" machine-id", "write "+a+" kept", "write "+a+" changed", "write "+a+" removed", "cd /root", "write "+a+" profile",
		"mkdir .old", "cd .old", "write "+a+" in-old-home", "cd /old", "write "+a+" moved", "write "+a+" moved-away",
		"cd /gone", "write "+a+" x", "cd /anew", "write "+a+" x",
		"cd /", "write "+a+" one", "ln one two", "sif one links_count 2")
	n, err := ext4test.Open(t, image).Lookup(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	disk := ext4test.Make(t,
		"mkdir system", "cd system", "mkdir upper", "mkdir work", "cd work", "mkdir index", "cd index", "write "+b+" "+handle(n.Number),
		"cd /system/upper", "ln /system/work/index/"+handle(n.Number)+" one", "sif one links_count 2",
		"mknod gone c 0 0", "mkdir anew", "ea_set anew trusted.overlay.opaque y", "mkdir new",
		"mknod old c 0 0", "mkdir new/name", "ea_set new/name trusted.overlay.redirect /old", "cd new/name", "write "+b+" added", "mknod moved-away c 0 0",
		"cd /system/upper", "mkdir etc", "cd etc", "write "+b+" machine-id", "write "+b+" hostname", "write "+b+" changed", "mknod removed c 0 0",
		"ea_set changed security.capability cap", "ea_set changed user.overlay.x 1", "write "+b+" .banger-123", "mknod socket p", "sif socket mode 0140644",
		"cd /", "mkdir home", "cd home", "mkdir root", "cd root", "mkdir upper", "cd upper", "write "+b+" notes",
		"mkdir dir", "ea_set dir trusted.overlay.redirect /.old", "mknod .old c 0 0",
		"cd ..", "cd ..", "mkdir home", "cd home", "mkdir upper", "cd upper", "mkdir user",
		"cd /system/upper", "mkdir home", "cd /", "mkdir volumes", "cd volumes", "write "+b+" docker")
	own := func(path string) bool { return path == "/etc/machine-id" || path == "/etc/hostname" }
	got := write(t, guesttree.Source{Image: ext4test.Open(t, image), Disk: ext4test.Open(t, disk), Own: own})
	want := map[string]string{
		"./": "5 ", "etc/": "5 ", "etc/machine-id": "0 a", "etc/kept": "0 a",
		"etc/changed": "0 b SCHILY.xattr.security.capability=cap SCHILY.xattr.user.overlay.x=1",
		"anew/":       "5 ", "new/": "5 ", "new/name/": "5 ", "new/name/moved": "0 a", "new/name/added": "0 b",
		"one": "0 b", "two": "1 one 600", "root/": "5 ", "root/profile": "0 a", "root/notes": "0 b", "root/dir/": "5 ", "root/dir/in-old-home": "0 a",
		"home/": "5 ", "home/user/": "5 ",
	}
	if line := got["etc/changed"]; strings.Contains(line, "1 SCHILY") { // a map has no order
		want["etc/changed"] = line
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	alone := write(t, guesttree.Source{Image: ext4test.Open(t, image)})
	if len(alone) != 19 || alone["etc/removed"] != "0 a" || alone["gone/x"] != "0 a" || alone["two"] != "1 one 600" {
		t.Errorf("the image alone has %d entries: %v", len(alone), alone)
	}
}

// TestHostileDisk: what a guest can write by itself is refused, and does not go on for ever.
func TestHostileDisk(t *testing.T) {
	base := []string{"mkdir system", "cd system", "mkdir upper", "cd upper"}
	image := ext4test.Make(t)
	for name, test := range map[string]struct {
		commands []string
		limits   guesttree.Limits
		want     string
	}{
		"a directory in itself": {commands: []string{"mkdir a", "cd a", "ln /system/upper/a b"}, want: "is in itself"},
		"two directories in each other": {
			commands: []string{"mkdir a", "mkdir b", "cd a", "ln /system/upper/b b", "cd ../b", "ln /system/upper/a a"}, want: "is in itself",
		},
		"content elsewhere": {commands: []string{"write " + text(t, "") + " f", "ea_set f trusted.overlay.metacopy x"}, want: "has its content in the image"},
		"a huge hole":       {commands: []string{"write " + text(t, "x") + " f", "sif f size 0xffffffff000"}, want: "more than 64 GiB"},
		"an unknown type":   {commands: []string{"mknod f p", "sif f mode 0070000"}, want: "unknown type"},
		"many files":        {commands: []string{"mkdir a", "mkdir b", "mkdir c"}, limits: guesttree.Limits{Entries: 2}, want: "more than 2 files"},
		"long names":        {commands: []string{"mkdir " + strings.Repeat("n", 200)}, limits: guesttree.Limits{Names: 100}, want: "take more than 100 bytes"},
		"big directories":   {commands: []string{"mkdir a"}, limits: guesttree.Limits{Blocks: 2}, want: "directories have more than 8 KiB"},
		"long first names": {
			commands: []string{"mkdir " + strings.Repeat("n", 60), "cd " + strings.Repeat("n", 60), "mknod f p", "sif f links_count 2"},
			limits:   guesttree.Limits{Names: 110}, want: "take more than 110 bytes",
		},
		"moved directories": {
			commands: []string{"mkdir a", "ea_set a trusted.overlay.redirect /lost+found/x", "mkdir b", "ea_set b trusted.overlay.redirect /lost+found/x"},
			limits:   guesttree.Limits{Blocks: 15}, want: "directories have more than 60 KiB",
		},
		"a target that ends early": {commands: []string{"symlink l abc", "sif l size 9"}, want: "the link of inode"},
		"deep directories":         {commands: deep(40), want: "at most 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := ext4test.Make(t, append(base, test.commands...)...)
			err := guesttree.WriteTar(t.Context(), io.Discard, guesttree.Source{
				Image: ext4test.Open(t, image), Disk: ext4test.Open(t, disk), Limits: test.limits,
			})
			if !errors.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("%v, want a fault Invalid with %q", err, test.want)
			}
		})
	}
}

// afterRoot notes what is alive amid the files of the root.
type afterRoot struct {
	writes int
	alive  uint64
}

func (h *afterRoot) Write(b []byte) (int, error) {
	if h.writes++; h.writes == 1000 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		h.alive = m.HeapAlloc
	}
	return len(b), nil
}

// TestManyNames: of a directory with many names only the names are held, and not the
// inodes, which can have as many bytes as a block.
func TestManyNames(t *testing.T) {
	commands := make([]string, 0, 5000)
	for i := range 5000 {
		commands = append(commands, fmt.Sprintf("symlink %d x", i))
	}
	image := ext4test.Open(t, ext4test.Make(t, commands...))
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	after := &afterRoot{}
	if err := guesttree.WriteTar(t.Context(), after, guesttree.Source{Image: image}); err != nil {
		t.Fatal(err)
	}
	if more := int64(after.alive) - int64(m.HeapAlloc); more > 1500<<10 { //nolint:gosec // small
		t.Errorf("%d bytes are alive while 5000 names are written", more)
	}
}

func deep(n int) (commands []string) {
	for range n {
		name := strings.Repeat("d", 200)
		commands = append(commands, "mkdir "+name, "cd "+name)
	}
	return commands
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := guesttree.WriteTar(ctx, io.Discard, guesttree.Source{Image: ext4test.Open(t, ext4test.Make(t))})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}
