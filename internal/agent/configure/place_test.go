package configure

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/regular/regulartest"
	"github.com/bangervm/banger/internal/agentrpc"
)

// me is a file that whoever runs the test may own.
func me(path, data string) agentrpc.File {
	return agentrpc.File{Path: path, Mode: 0o644, UID: os.Getuid(), GID: os.Getgid(), Data: []byte(data)}
}

func etc(t *testing.T) tree {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	return tree{root: root}
}

func wantFile(t *testing.T, path, data string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		t.Fatalf("%s: %v, %v; want a file", path, info, err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != data {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, data)
	}
}

// What set-up writes is there afterwards, whatever was at its place, and nobody
// waited for what was.
func TestSetUpReplacesOddFiles(t *testing.T) {
	asRoot(t)
	const machine = "0123456789abcdef0123456789abcdef"
	for kind, odd := range regulartest.Odd() {
		for name, want := range map[string]string{
			"hosts":      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tdev\t# by banger\n",
			"hostname":   "dev\n",
			"machine-id": machine + "\n",
		} {
			t.Run(kind+" for "+name, func(t *testing.T) {
				root := etc(t)
				path := filepath.Join(root.root, "etc", name)
				odd(t, path)
				c := &configuring{cfg: &agentrpc.Configure{Hostname: "dev", MachineID: machine}, tree: root}
				c.identityFiles()
				if len(c.result.Notes) > 0 {
					t.Errorf("notes: %q", c.result.Notes)
				}
				if name == "hosts" && kind == "huge" {
					return // too large to look through, so left alone
				}
				wantFile(t, path, want)
			})
		}
	}
}

// asRoot skips tests of what only root can do: give files to root.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "set-up writes root's files, and this is not root")
	}
}

func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func TestPlaceReplacesOddFiles(t *testing.T) {
	for kind, odd := range regulartest.Odd() {
		t.Run(kind, func(t *testing.T) {
			root := etc(t)
			path := filepath.Join(root.root, "etc", "resolv.conf")
			odd(t, path)
			if err := root.place(me("/etc/resolv.conf", "nameserver")); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, "nameserver")
			left, err := filepath.Glob(filepath.Join(root.root, "etc", ".banger-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
			if _, err := os.Stat(path + ".replaced-0/d/e"); (err == nil) != (kind == "full directory") {
				t.Errorf("what was in a directory: %v", err)
			}
		})
	}
}

// A directory of the path that is odd is an error, and none that anybody waits for.
func TestPlaceBelowOddDirectories(t *testing.T) {
	for kind, odd := range regulartest.Odd() {
		t.Run(kind, func(t *testing.T) {
			root := tree{root: t.TempDir()}
			odd(t, filepath.Join(root.root, "etc"))
			err := root.place(me("/etc/hosts", "x"))
			if below := strings.HasSuffix(kind, "directory") || kind == "dangling link"; (err == nil) != below {
				t.Errorf("place: %v", err)
			}
		})
	}
}

func TestPlaceLeavesWhatIsInPlace(t *testing.T) {
	root := etc(t)
	path := filepath.Join(root.root, "etc", "hosts")
	inode := func() uint64 {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	if err := root.place(me("/etc/hosts", "a")); err != nil {
		t.Fatal(err)
	}
	first := inode()
	if err := root.place(me("/etc/hosts", "a")); err != nil || inode() != first {
		t.Errorf("the same again: %v, inode %d, was %d", err, inode(), first)
	}
	for name, change := range map[string]func() error{
		"longer":  func() error { return os.WriteFile(path, []byte("ab"), 0o644) },
		"a mode":  func() error { return os.Chmod(path, 0o600) },
		"a link":  func() error { return errors.Join(os.Rename(path, path+"2"), os.Symlink("hosts2", path)) },
		"nothing": func() error { return os.Remove(path) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if err := root.place(me("/etc/hosts", "a")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantFile(t, path, "a")
	}
}

// A disk that takes nothing keeps no guest from its files: they are covered, from
// memory. What is right already needs no room.
func TestPlaceOnAFullDisk(t *testing.T) {
	asRoot(t)
	root, covers := t.TempDir(), t.TempDir()
	tr := tree{root: root, covers: covers}
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=64k"); err != nil {
		skip(t, "a small filesystem cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() {
		_ = unix.Unmount(covers, unix.MNT_DETACH)
		_ = unix.Unmount(root, unix.MNT_DETACH)
	})
	for _, name := range []string{"old", "same"} {
		if err := tr.place(me("/etc/"+name, name)); err != nil {
			t.Fatal(err)
		}
	}
	filler, err := os.Create(filepath.Join(root, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filler.Write(make([]byte, 1<<20)); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"old": errCovered, "new": errCovered, "same": nil} {
		data := strings.Repeat("now", 1000)
		if name == "same" {
			data = name
		}
		path := filepath.Join(root, "etc", name)
		if err := tr.place(me("/etc/"+name, data)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		wantFile(t, path, data)
		if want != nil {
			t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
		}
	}
}

func TestWhoDoesWithoutAStep(t *testing.T) {
	for name, tc := range map[string]struct {
		need        need
		rescue      bool
		fails       bool
		notes, runs int
	}{
		"always":               {always, false, true, 0, 1},
		"always, in a rescue":  {always, true, true, 1, 1},
		"normally":             {normally, false, true, 0, 1},
		"normally, a rescue":   {normally, true, false, 2, 2},
		"wished":               {wished, false, false, 1, 2},
		"wished, in a rescue":  {wished, true, false, 2, 2},
		"nothing fails":        {-1, false, false, 0, 2},
		"a rescue is told too": {-1, true, false, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := &configuring{cfg: &agentrpc.Configure{Init: agentrpc.Init{Rescue: tc.rescue}}}
			runs := 0
			step1 := step{"first", max(tc.need, 0), func(context.Context) error {
				runs++
				if tc.need < 0 {
					return nil
				}
				return fs.ErrInvalid
			}}
			step2 := step{"second", always, func(context.Context) error { runs++; return nil }}
			result, err := c.carryOut(t.Context(), []step{step1, step2}, func(string) {})
			if (err != nil) != tc.fails || runs != tc.runs || len(c.result.Notes) != tc.notes || !tc.fails && !slices.Equal(result.Notes, c.result.Notes) {
				t.Errorf("%d steps, notes %q, %v", runs, c.result.Notes, err)
			}
		})
	}
}

func TestNotesNameThePathsOfTheGuest(t *testing.T) {
	c := &configuring{}
	c.note("write %s: %v", "/root/.claude.json", &os.PathError{Op: "open", Path: Root + "/root/.claude.json", Err: os.ErrPermission})
	if want := "write /root/.claude.json: open /root/.claude.json: permission denied"; c.result.Notes[0] != want {
		t.Errorf("note %q, want %q", c.result.Notes[0], want)
	}
}

func TestNotesAreBounded(t *testing.T) {
	c := &configuring{}
	for range 100 {
		c.note("%s", strings.Repeat("é", 1000))
	}
	if n := len(c.result.Notes); n != agentrpc.MaxNotes || len(c.result.Notes[0]) > agentrpc.MaxNote {
		t.Errorf("%d notes, the first of %d bytes", n, len(c.result.Notes[0]))
	}
}
