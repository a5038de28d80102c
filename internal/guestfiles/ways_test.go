package guestfiles

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/treecopy"
)

func mkdir(t *testing.T, names ...string) string {
	t.Helper()
	name := filepath.Join(names...)
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func entries(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range list {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestSeveralSourcesNeedADirectory(t *testing.T) { guests(t, severalSources) }

func severalSources(t *testing.T, g *Guest) {
	t.Helper()
	dir := t.TempDir()
	a, b, into := filepath.Join(dir, "a"), filepath.Join(dir, "b"), mkdir(t, dir, "into")
	write(t, a, "a", 0o644)
	write(t, b, "b", 0o644)
	if err := g.CopyIn(t.Context(), []string{a, b}, into, Options{}); err != nil || entries(t, into) != "a b" {
		t.Errorf("%v: %s", err, entries(t, into))
	}
	if err := g.CopyIn(t.Context(), []string{a, b}, filepath.Join(dir, "c"), Options{}); err == nil || entries(t, dir) != "a b into" {
		t.Errorf("%v: %s", err, entries(t, dir))
	}
	out := mkdir(t, dir, "out")
	if err := g.CopyOut(t.Context(), []string{a, b}, out, Options{}); err != nil || entries(t, out) != "a b" {
		t.Errorf("%v: %s", err, entries(t, out))
	}
}

func TestACopyBetweenGuests(t *testing.T) {
	dir := t.TempDir()
	src, into := mkdir(t, dir, "src"), mkdir(t, dir, "into")
	write(t, filepath.Join(src, "f"), strings.Repeat("data", 1<<18), 0o640)
	if err := errors.Join(os.Link(filepath.Join(src, "f"), filepath.Join(src, "g")), os.Symlink("f", filepath.Join(src, "l")),
		syscall.Mkfifo(filepath.Join(src, "p"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var left []string
	o := Options{Left: func(path, why string) { left = append(left, path+": "+why) }}
	if err := newGuest(t).CopyTo(t.Context(), []string{src}, newGuest(t), into, o); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, filepath.Join(into, "src")); got != "f g l" || read(t, filepath.Join(into, "src", "g")) != read(t, filepath.Join(src, "f")) {
		t.Errorf("%s", got)
	}
	if len(left) != 1 || left[0] != "p: skipped, it is a FIFO" {
		t.Errorf("%q", left)
	}
	if err := newGuest(t).CopyTo(t.Context(), []string{src}, oldGuest(t), into, o); !errors.Is(err, errTooOld) {
		t.Errorf("to an old agent: %v", err)
	}
	if err := newGuest(t).CopyTo(t.Context(), []string{filepath.Join(dir, "no")}, newGuest(t), into, o); !errors.Is(err, fault.NotFound) {
		t.Errorf("of nothing: %v", err)
	}
}

func TestATarStreamIsUnpackedAndPacked(t *testing.T) {
	g, dir := newGuest(t), t.TempDir()
	src, into := mkdir(t, dir, "src"), mkdir(t, dir, "into")
	write(t, filepath.Join(src, "f"), "data", 0o751)
	if err := errors.Join(os.Link(filepath.Join(src, "f"), filepath.Join(src, "g")), os.Symlink("f", filepath.Join(src, "l"))); err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := g.StreamOut(t.Context(), src, &stream, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := g.StreamIn(t.Context(), bytes.NewReader(stream.Bytes()), into, Options{}); err != nil {
		t.Fatal(err)
	}
	got := filepath.Join(into, "src")
	info, err := os.Stat(filepath.Join(got, "g"))
	if err != nil || info.Mode() != 0o751 || entries(t, got) != "f g l" || read(t, filepath.Join(got, "l")) != "data" {
		t.Errorf("%v %v: %s", info, err, entries(t, got))
	}
	if err := g.StreamIn(t.Context(), strings.NewReader("no tar at all"), into, Options{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
	var evil bytes.Buffer
	w := tar.NewWriter(&evil)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "../../planted", Typeflag: tar.TypeReg}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := g.StreamIn(t.Context(), &evil, into, Options{}); !errors.Is(err, fault.Invalid) || entries(t, into) != "src" {
		t.Errorf("%v: %s", err, entries(t, into))
	}
}

func TestSetIDBitsAreToldOrKept(t *testing.T) {
	g, dir := newGuest(t), t.TempDir()
	f := filepath.Join(dir, "f")
	write(t, f, "x", 0o755)
	if err := unix.Chmod(f, 0o4755); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []bool{false, true} {
		var left []string
		to := filepath.Join(dir, "to")
		o := Options{SetID: keep, Left: func(path, why string) { left = append(left, path) }}
		if err := g.CopyIn(t.Context(), []string{f}, to, o); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(to)
		if err != nil || info.Mode()&os.ModeSetuid != 0 != keep || (len(left) == 0) != keep {
			t.Errorf("keep %v: %v, %v, told of %q", keep, info.Mode(), err, left)
		}
	}
}

// breaking ends the context in the middle of what is read.
type breaking struct {
	cancel func()
	after  int
}

func (b *breaking) told(string, int64, int64) {
	if b.after--; b.after == 0 {
		b.cancel()
	}
}

func TestAnInterruptedCopyLeavesNothingOrGoesOn(t *testing.T) {
	for name, copies := range map[string]func(ctx context.Context, g *Guest, src, dst string, o Options) error{
		"in": func(ctx context.Context, g *Guest, src, dst string, o Options) error {
			return g.CopyIn(ctx, []string{src}, dst, o)
		},
		"out": func(ctx context.Context, g *Guest, src, dst string, o Options) error {
			return g.CopyOut(ctx, []string{src}, dst, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			src, into := mkdir(t, dir, "src"), mkdir(t, dir, "into")
			content := strings.Repeat("0123456789abcdef", 1<<20)
			write(t, filepath.Join(src, "big"), content, 0o644)
			then := time.Unix(1_000_000, 7)
			if err := os.Chtimes(filepath.Join(src, "big"), then, then); err != nil {
				t.Fatal(err)
			}
			interrupted := func(o Options) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				o.Progress = (&breaking{cancel: cancel, after: 1}).told
				if err := copies(ctx, newGuest(t), filepath.Join(src, "big"), into, o); !errors.Is(err, context.Canceled) {
					t.Fatalf("%v", err)
				}
			}
			interrupted(Options{})
			if got := entries(t, into); got != "" {
				t.Fatalf("left over: %s", got)
			}
			interrupted(Options{Resume: true})
			if got := entries(t, into); got != ".big.banger-part" && got != "" {
				t.Fatalf("left over: %s", got)
			}
			// A part whose content differs shows that it was not sent again.
			part := filepath.Join(into, ".big.banger-part")
			write(t, part, strings.Repeat("X", 1<<20), 0o600)
			if err := os.Chtimes(part, then, then); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time it is there
				if err := copies(t.Context(), newGuest(t), filepath.Join(src, "big"), into, Options{Resume: true}); err != nil {
					t.Fatal(err)
				}
				want := strings.Repeat("X", 1<<20) + content[1<<20:]
				if got := read(t, filepath.Join(into, "big")); got != want || entries(t, into) != "big" {
					t.Errorf("%d bytes, %s", len(got), entries(t, into))
				}
			}
			// Of another version of the file it is no part.
			write(t, part, "Y", 0o600)
			if err := os.Remove(filepath.Join(into, "big")); err != nil {
				t.Fatal(err)
			}
			if err := copies(t.Context(), newGuest(t), filepath.Join(src, "big"), into, Options{Resume: true}); err != nil || read(t, filepath.Join(into, "big")) != content || entries(t, into) != "big" {
				t.Errorf("%v, %s", err, entries(t, into))
			}
		})
	}
}

func TestNotesAreBounded(t *testing.T) {
	told := 0
	n := &notes{tell: func(string, string) { told++ }}
	for range 10 * maxTold {
		_ = n.below("x")(treecopy.Note{Path: "p", Why: "\x1b[2J", Fault: true})
	}
	if told != maxTold || n.faults != 10*maxTold || strings.Contains(n.incomplete().Error(), "\x1b") {
		t.Errorf("%d of %d: %v", told, n.faults, n.incomplete())
	}
}
