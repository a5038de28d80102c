package flatten_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/continuity/fs"
	"github.com/containerd/log"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/fault"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	const why = "the oracle makes devices and changes owners: it needs root"
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// oracle has containerd unpack the layers into root. See TestDiffersFromContainerd
// for misdated.
func oracle(ctx context.Context, root string, layers [][]byte) (misdated bool, err error) {
	for _, raw := range layers {
		dirs := datedDirs{root: root, open: map[string]*os.File{}}
		_, err := archive.Apply(ctx, root, bytes.NewReader(raw), archive.WithFilter(dirs.watch))
		if dirs.misdated() {
			misdated = true
		}
		if err != nil {
			return false, err
		}
	}
	return misdated, nil
}

// datedDirs is the directories that one layer describes. containerd dates them at the
// layer's end, by name: a later entry may have put something else there.
type datedDirs struct {
	root string
	last string              // described by the entry that is being unpacked
	open map[string]*os.File // nothing else gets the inode of an open one
}

// watch is an archive.Filter: it is called before each entry is unpacked.
func (d *datedDirs) watch(hdr *tar.Header) (bool, error) {
	d.settle()
	if hdr.Typeflag == tar.TypeDir {
		d.last = hdr.Name
	}
	return true, nil
}

func (d *datedDirs) settle() {
	if d.last == "" {
		return
	}
	if before := d.open[d.last]; before != nil {
		_ = before.Close()
	}
	d.open[d.last], d.last = d.at(d.last), ""
}

// at is nil if there is none.
func (d *datedDirs) at(name string) *os.File {
	path, err := fs.RootPath(d.root, name)
	if err != nil {
		return nil
	}
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	return f
}

// misdated closes all, and reports whether one is not what its name leads to.
func (d *datedDirs) misdated() (found bool) {
	d.settle()
	for name, then := range d.open {
		now := d.at(name)
		found = found || then == nil || now == nil || !same(then, now)
		for _, f := range []*os.File{then, now} {
			if f != nil {
				_ = f.Close()
			}
		}
	}
	return found
}

func same(a, b *os.File) bool {
	one, err1 := a.Stat()
	two, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}

// TestMergeEqualsContainerd compares all of an item, of layers that containerd
// takes. What is different on purpose is in TestDiffersFromContainerd; of that the
// layers here have nothing but the times of directories, which are left out where
// they are the moment of unpacking.
func TestMergeEqualsContainerd(t *testing.T) {
	needRoot(t)
	if err := log.SetLevel("error"); err != nil {
		t.Fatal(err)
	}
	base, began := t.TempDir(), time.Now().Add(-time.Minute)
	cases, compared, dated := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++
		layers := anyLayers(rt)
		root := filepath.Join(base, "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(root) }()
		misdated, applyErr := oracle(t.Context(), root, layers)
		var out bytes.Buffer
		mergeErr := merge(t.Context(), layers, &out)
		if mergeErr != nil && !errors.Is(mergeErr, fault.Invalid) {
			rt.Fatalf("merge: %v, which is no fault Invalid", mergeErr)
		}
		if applyErr != nil {
			return // containerd stops where this merge may go on
		}
		if mergeErr != nil {
			rt.Fatalf("containerd takes it, the merge does not: %v", mergeErr)
		}
		compared++
		want, err := readDir(root)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := readTar(&out)
		if err != nil {
			rt.Fatal(err)
		}
		if err := mergeByPath(t.Context(), layers, &out); err != nil {
			rt.Fatal(err)
		}
		if byPath, err := readTar(&out); err != nil || !cmp.Equal(got, byPath) {
			rt.Fatalf("in the order of contents (-) and of paths (+) they differ: %v\n%s", err, cmp.Diff(got, byPath))
		}
		dated += got.forgetTimes(want, misdated, began)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("containerd (-) and merge (+) differ:\n%s", diff)
		}
	})
	t.Logf("%d cases, %d compared, the times of %d directories too", cases, compared, dated)
	if !t.Failed() && (compared < cases/10 || dated < cases/20) {
		t.Errorf("of %d cases only %d could be compared, and the times of %d directories", cases, compared, dated)
	}
}

// forgetTimes takes away the times of both that cannot be compared, and returns how
// many of directories are left.
func (s snapshot) forgetTimes(want snapshot, misdated bool, began time.Time) (left int) {
	for name, w := range want {
		got, both := s[name]
		switch {
		case both && (misdated || w.Kind == "d" && w.Time.After(began)):
			w.Time, got.Time = time.Time{}, time.Time{}
			want[name], s[name] = w, got
		case both && w.Kind == "d":
			left++
		}
	}
	return left
}

var (
	kinds  = []string{"dir", "dir", "dir", "reg", "reg", "reg", "sparse", "sym", "hard", "hard", "fifo", "char", "block", "whiteout", "opaque"}
	bodies = []string{"", "x", "text", strings.Repeat("b", 511), strings.Repeat("b", 512), strings.Repeat("b", 513)}
	modes  = []int64{0o755, 0o644, 0o4755, 0o2711, 0o1777, 0}
	times  = []time.Time{
		time.Unix(-1000, 0), time.Unix(0, 0), time.Unix(1, 0), time.Unix(1234567890, 987654321), time.Unix(1600000000, 0), time.Unix(7_000_000_000, 1),
	}
	// Names are few, so that entries meet: a directory becomes a file, then a link.
	parts = []string{"a", "b", "c", "d", "\xff", strings.Repeat("long", 30)}
)

// anyLayers draws the tars of one to four layers.
func anyLayers(rt *rapid.T) [][]byte {
	g := &generator{rt: rt}
	raw := make([][]byte, rapid.IntRange(1, 4).Draw(rt, "layers"))
	for i := range raw {
		var l layer
		for range rapid.IntRange(1, 8).Draw(rt, "entries") {
			l = append(l, g.entry())
		}
		var err error
		if raw[i], err = l.tar(); err != nil {
			rt.Fatal(err)
		}
	}
	return raw
}

// generator knows which names it has used, for others to meet them.
type generator struct {
	rt    *rapid.T
	names []string
}

func pick[T any](g *generator, what string, from []T) T {
	return rapid.SampledFrom(from).Draw(g.rt, what)
}

// name is often one that an entry had before, or is below it.
func (g *generator) name() string {
	if len(g.names) > 0 && pick(g, "again", []bool{true, false}) {
		name := pick(g, "old", g.names)
		if strings.Count(name, "/") < 3 && pick(g, "below", []bool{true, false, false}) {
			name += "/" + pick(g, "part", parts)
		}
		return name
	}
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 3).Draw(g.rt, "path"), "/")
}

// target has no dots after a name: see TestDiffersFromContainerd.
func (g *generator) target(climb ...string) string { return pick(g, "climb", climb) + g.name() }

func (g *generator) entry() file {
	clean := g.name()
	name := pick(g, "prefix", []string{"", "", "", "", "./", "/", "../", "a/../", "./././", ".//"}) + clean
	kind := pick(g, "kind", kinds)
	var f file
	switch kind {
	case "dir":
		// The same attribute for each: see TestDiffersFromContainerd.
		f = dir(name).with("user.d", pick(g, "value", []string{"1", "2"}))
	case "reg":
		f = reg(name, pick(g, "body", bodies))
	case "sparse":
		f = sparse(name, pick(g, "hole", []int{1, 512, 5000}), pick(g, "body", bodies[1:]))
	case "sym":
		f = sym(name, g.target("", "", "./", "/", "../", "../../"))
	case "hard":
		f = hard(name, g.target("", "", "", "", "./", "/", "../"))
	case "fifo":
		f = special(tar.TypeFifo, name, 0, 0)
	case "char":
		f = special(tar.TypeChar, name, pick(g, "major", []int64{0, 1, 4095}), pick(g, "minor", []int64{0, 255, 256, 1048575}))
	case "block":
		f = special(tar.TypeBlock, name, 8, 17)
	case "whiteout":
		at, base := filepath.Split(name)
		return reg(at+".wh."+base, "")
	case "opaque":
		return reg(name+"/.wh..wh..opq", "")
	}
	if !slices.Contains(g.names, clean) {
		g.names = append(g.names, clean)
	}
	return g.describe(f)
}

// describe gives it a mode, owner, time and attributes.
func (g *generator) describe(f file) file {
	if f.Typeflag != tar.TypeSymlink {
		f.Mode = pick(g, "mode", modes)
	}
	if f.Typeflag == tar.TypeDir {
		f.Mode &^= 0o2000 // see TestDiffersFromContainerd
	}
	f.Uid, f.Gid = pick(g, "uid", []int{0, 1000, 70000}), pick(g, "gid", []int{0, 5, 100_000})
	f = f.at(pick(g, "time", times))
	if f.hole > 0 {
		return f.at(time.Unix(1600000001, 0)) // its header has no other records
	}
	if f.Typeflag != tar.TypeDir && pick(g, "attributes", []bool{true, false, false}) {
		f = f.with("user.x", "v"+pick(g, "value", []string{"1", "2"})).with("security.x", "s").with("trusted.overlay.opaque", "y")
	}
	return f
}
