package treecopy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/treecopy"
)

// copied reads src and writes it to dst, and returns what was left out.
func copied(t *testing.T, src, dst string, w treecopy.Writer) []treecopy.Note {
	t.Helper()
	var b bytes.Buffer
	tree := agentrpc.NewTreeWriter(&b)
	r := treecopy.Reader{W: tree, Noted: treecopy.WriteNote(tree)}
	if err := errors.Join(r.Read(t.Context(), src), tree.End()); err != nil {
		t.Fatal(err)
	}
	var notes []treecopy.Note
	w.Noted = func(n treecopy.Note) error { notes = append(notes, n); return nil }
	if err := written(t, &b, dst, w); err != nil {
		t.Fatal(err)
	}
	return notes
}

func written(t *testing.T, b *bytes.Buffer, dst string, w treecopy.Writer) error {
	t.Helper()
	to, err := treecopy.Land(dst, 1)
	if err != nil {
		return err
	}
	defer to.Close()
	return w.Write(t.Context(), agentrpc.NewTreeReader(bufio.NewReader(b)), to)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestATreeIsCopiedAsItIs(t *testing.T) {
	src, dst := filepath.Join(t.TempDir(), "src"), t.TempDir()
	then := time.Unix(1_000_000_000, 5)
	strange := "new\nline \xff"
	must(t, os.MkdirAll(filepath.Join(src, "closed"), 0o755),
		os.WriteFile(filepath.Join(src, "closed", "f"), []byte("data"), 0o640),
		os.Link(filepath.Join(src, "closed", "f"), filepath.Join(src, "same")),
		os.WriteFile(filepath.Join(src, strange), nil, 0o644),
		unix.Chmod(filepath.Join(src, "closed", "f"), 0o4751),
		os.Symlink("closed/f", filepath.Join(src, "link")),
		syscall.Mkfifo(filepath.Join(src, "fifo"), 0o600),
		os.Chtimes(filepath.Join(src, "closed", "f"), then, then),
		os.Chtimes(filepath.Join(src, "closed"), then, then), os.Chmod(filepath.Join(src, "closed"), 0o555))
	stamp := unix.NsecToTimespec(then.UnixNano())
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(src, "link"), []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW))
	t.Cleanup(func() {
		_ = os.Chmod(filepath.Join(src, "closed"), 0o755)
		_ = os.Chmod(filepath.Join(dst, "src", "closed"), 0o755)
	})

	notes := copied(t, src, dst, treecopy.Writer{})
	if len(notes) != 2 || !slices.Contains(notes, treecopy.Note{Path: "src/fifo", Why: "skipped, it is a FIFO"}) {
		t.Errorf("left out: %v", notes)
	}
	got := filepath.Join(dst, "src")
	for name, want := range map[string]fs.FileMode{"closed": fs.ModeDir | 0o555, "closed/f": 0o751, "link": fs.ModeSymlink | 0o777} {
		info, err := os.Lstat(filepath.Join(got, name))
		must(t, err)
		if info.Mode() != want || !info.ModTime().Equal(then) {
			t.Errorf("%s: %v of %v", name, info.Mode(), info.ModTime())
		}
	}
	a, errA := os.Stat(filepath.Join(got, "same"))
	b, errB := os.Stat(filepath.Join(got, "closed", "f"))
	must(t, errA, errB)
	if !os.SameFile(a, b) {
		t.Error("a hard link became a file of its own")
	}
	if list := names(t, got); !slices.Contains(list, strange) || len(list) != 4 {
		t.Errorf("%q", list)
	}
	// Again, over itself, and with the bits that were left out.
	copied(t, src, dst, treecopy.Writer{SetID: true})
	info, err := os.Stat(filepath.Join(got, "closed", "f"))
	must(t, err)
	if info.Mode() != fs.ModeSetuid|0o751 || len(names(t, got)) != 4 || len(names(t, filepath.Join(got, "closed"))) != 1 {
		t.Errorf("%v, %q", info.Mode(), names(t, got))
	}
}

func TestHolesAreKept(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "sparse")
	f, err := os.Create(src)
	must(t, err)
	const size = 4 << 30
	_, err = f.WriteAt([]byte("in the middle"), size/2)
	must(t, err, f.Truncate(size), f.Close())
	var b bytes.Buffer
	tree := agentrpc.NewTreeWriter(&b)
	must(t, (&treecopy.Reader{W: tree}).Read(t.Context(), src), tree.End())
	if b.Len() > 1<<20 {
		t.Skipf("this filesystem tells no holes: %d bytes", b.Len())
	}
	dst := filepath.Join(dir, "copy")
	must(t, written(t, &b, dst, treecopy.Writer{}))
	var st unix.Stat_t
	must(t, unix.Stat(dst, &st))
	if st.Size != size || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes in %d blocks", st.Size, st.Blocks)
	}
	text := make([]byte, 13)
	got, err := os.Open(dst)
	must(t, err)
	defer func() { _ = got.Close() }()
	if _, err := got.ReadAt(text, size/2); err != nil || string(text) != "in the middle" {
		t.Errorf("%q, %v", text, err)
	}
}

// hostile is a tree of records as a guest could make them up.
func hostile(t *testing.T, records func(w *agentrpc.TreeWriter) error) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := agentrpc.NewTreeWriter(&b)
	must(t, w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: "top"}, nil), records(w), w.End())
	return &b
}

func file(w *agentrpc.TreeWriter, path string) error {
	if err := w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreePieces, Path: path, Mode: 0o644}, nil); err != nil {
		return err
	}
	if _, err := w.Data(strings.NewReader("planted"), 100); err != nil {
		return err
	}
	return w.EndPieces()
}

func TestNothingIsWrittenOutside(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("mine"), 0o600))
	for name, records := range map[string]func(w *agentrpc.TreeWriter) error{
		"through a link": func(w *agentrpc.TreeWriter) error {
			return errors.Join(w.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeLink, Path: "x"}, outside), file(w, "x/planted"))
		},
		"a directory for a link": func(w *agentrpc.TreeWriter) error {
			return errors.Join(w.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeLink, Path: "x"}, outside),
				w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeDir, Path: "x", Mode: 0o777}, nil), file(w, "x/planted"))
		},
		"a path upwards": func(w *agentrpc.TreeWriter) error { return file(w, "../planted") },
		"a path from the root": func(w *agentrpc.TreeWriter) error {
			return file(w, filepath.Join(outside, "planted"))
		},
		"a hard link through a link": func(w *agentrpc.TreeWriter) error {
			return errors.Join(w.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeLink, Path: "x"}, outside),
				w.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeSame, Path: "y"}, "x/secret"))
		},
		"a hard link upwards": func(w *agentrpc.TreeWriter) error {
			return w.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeSame, Path: "y"}, "../secret")
		},
		"a second top": func(w *agentrpc.TreeWriter) error {
			return errors.Join(w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: "planted"}, nil), file(w, "."))
		},
		"without end": func(w *agentrpc.TreeWriter) error {
			return file(w, strings.Repeat("d/", treecopy.MaxDepth+10)+"f")
		},
		"a file without data": func(w *agentrpc.TreeWriter) error {
			return w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeListed, Path: "x"}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dst := t.TempDir()
			b := hostile(t, func(w *agentrpc.TreeWriter) error {
				return errors.Join(w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeDir, Path: ".", Mode: 0o755}, nil), records(w))
			})
			if err := written(t, b, dst, treecopy.Writer{Tops: []string{"/asked/for"}}); err == nil {
				t.Error("the copy went on")
			}
			if got := names(t, outside); len(got) != 1 {
				t.Errorf("outside: %q", got)
			}
			if got := names(t, dst); len(got) != 1 || got[0] != "for" {
				t.Errorf("inside: %q", got)
			}
		})
	}
}

func TestWhatBreaksOffLeavesTheOldFile(t *testing.T) {
	for name, end := range map[string]func(w *agentrpc.TreeWriter) error{
		"the stream ends":   func(w *agentrpc.TreeWriter) error { return w.Flush() },
		"the reader failed": func(w *agentrpc.TreeWriter) error { return errors.Join(w.VoidPieces(), w.End()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "f")
			must(t, os.WriteFile(old, []byte("old"), 0o600))
			var b bytes.Buffer
			w := agentrpc.NewTreeWriter(&b)
			must(t, w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: "f"}, nil),
				w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreePieces, Path: ".", Mode: 0o644}, nil))
			_, err := w.Data(strings.NewReader("half"), 100)
			must(t, err, end(w))
			err = written(t, &b, old, treecopy.Writer{})
			if (err != nil) != (name == "the stream ends") {
				t.Errorf("%v", err)
			}
			data, err := os.ReadFile(old)
			if err != nil || string(data) != "old" || len(names(t, dir)) != 1 {
				t.Errorf("%q, %q, %v", data, names(t, dir), err)
			}
		})
	}
}

func TestACopyEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&treecopy.Reader{W: agentrpc.NewTreeWriter(&bytes.Buffer{})}).Read(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
}

func TestLandRefuses(t *testing.T) {
	dir := t.TempDir()
	f := filepath.Join(dir, "f")
	must(t, os.WriteFile(f, nil, 0o600))
	for _, c := range []struct {
		dst     string
		sources int
		code    string
	}{
		{f + "/", 1, treecopy.CodeInvalid},
		{f, 2, treecopy.CodeInvalid},
		{filepath.Join(dir, "no") + "/", 1, treecopy.CodeNotFound},
		{filepath.Join(dir, "no"), 2, treecopy.CodeNotFound},
		{filepath.Join(dir, "no", "f"), 1, treecopy.CodeNotFound},
	} {
		_, err := treecopy.Land(c.dst, c.sources)
		if r, ok := errors.AsType[*treecopy.Refusal](err); !ok || r.Code != c.code {
			t.Errorf("%d to %s: %v", c.sources, c.dst, err)
		}
	}
}

func TestAnUnreadableFileIsNotedAndTheRestIsCopied(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	src, dst := filepath.Join(t.TempDir(), "src"), t.TempDir()
	must(t, os.Mkdir(src, 0o755), os.WriteFile(filepath.Join(src, "a"), nil, 0), os.WriteFile(filepath.Join(src, "b"), nil, 0o644))
	notes := copied(t, src, dst, treecopy.Writer{})
	if len(notes) != 1 || notes[0].Path != "src/a" || !notes[0].Fault {
		t.Errorf("%v", notes)
	}
	if got := names(t, filepath.Join(dst, "src")); !slices.Equal(got, []string{"b"}) {
		t.Errorf("%q", got)
	}
}
