package guesttree_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/oci/flatten"
)

// inLayers are tars in memory.
type inLayers [][]byte

// Append implements flatten.Side. guesttree writes no sparse files.
func (l inLayers) Append(io.Reader, int64) (int64, error) { return 0, errors.New("a sparse file") }

func (l inLayers) Open(layer int, _ bool, offset, size int64) io.Reader {
	return io.NewSectionReader(bytes.NewReader(l[layer]), offset, size)
}

// flat merges layers as a pull does.
func flat(t *testing.T, layers ...[]byte) []byte {
	t.Helper()
	budget := flatten.NewBudget(flatten.Limits{})
	merged := flatten.NewTree(budget, flatten.Rules{})
	for i, layer := range layers {
		index, err := flatten.ReadIndex(t.Context(), bytes.NewReader(layer), inLayers(layers), budget)
		if err == nil {
			err = merged.Apply(t.Context(), i, index)
		}
		if err != nil {
			t.Fatalf("layer %d: %v", i, err)
		}
	}
	var out bytes.Buffer
	if err := merged.WriteByPath(t.Context(), &out, inLayers(layers), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func layerOf(t *testing.T, src guesttree.Source) []byte {
	t.Helper()
	var out, again bytes.Buffer
	if err := errors.Join(guesttree.WriteLayer(t.Context(), &out, src), guesttree.WriteLayer(t.Context(), &again, src)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Error("the same disk gave other bytes")
	}
	return out.Bytes()
}

func tarOf(t *testing.T, src guesttree.Source) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := guesttree.WriteTar(t.Context(), &out, src); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func namesOf(t *testing.T, data []byte) (names []string) {
	t.Helper()
	for tr := tar.NewReader(bytes.NewReader(data)); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimSpace(hdr.Name+" "+hdr.Linkname))
	}
}

// TestLayer: a layer has what changed, the directories that it is in, and no more.
func TestLayer(t *testing.T) {
	a := text(t, "a")
	image := ext4test.Make(t, placed([]string{
		"mkdir etc", "mkdir usr", "mkdir usr/bin", "mkdir root", "mkdir old", "mkdir anew",
		"write " + a + " etc/kept", "write " + a + " etc/gone", "write " + a + " etc/socket", "write " + a + " etc/hostname",
		"write " + a + " usr/bin/one", "ln usr/bin/one usr/bin/two", "sif usr/bin/one links_count 2",
		"write " + a + " old/f", "write " + a + " anew/hidden", "mkdir same", "write " + a + " same/f",
		"mkdir zz", "ln old/f zz/f", "sif old/f links_count 2", "mkdir aa", "write " + a + " aa/g", "ln aa/g old/g", "sif aa/g links_count 2",
	})...)
	one := inode(t, image, "usr/bin/one")
	disk := ext4test.Make(t, placed([]string{
		"mkdir system", "mkdir system/upper", "mkdir system/work", "mkdir system/work/index", "mkdir system/upper/etc",
		"mknod system/upper/etc/gone c 0 0", "mknod system/upper/etc/never c 0 0", "write " + a + " system/upper/etc/hostname",
		"mknod system/upper/etc/socket p", "sif system/upper/etc/socket mode 0140755",
		"mkdir system/upper/usr", "mkdir system/upper/usr/bin", "write " + a + " system/upper/usr/bin/one",
		"ln system/upper/usr/bin/one /system/work/index/" + handle(one), "sif system/upper/usr/bin/one links_count 2",
		"mknod system/upper/old c 0 0", "mkdir system/upper/moved", "ea_set system/upper/moved trusted.overlay.redirect /old",
		"mkdir system/upper/anew", "ea_set system/upper/anew trusted.overlay.opaque y", "write " + a + " system/upper/anew/shown",
		"mkdir home", "mkdir home/root", "mkdir home/root/upper", "write " + a + " home/root/upper/note",
	})...)
	src := guesttree.Source{
		Image: ext4test.Open(t, image), Disk: ext4test.Open(t, disk), Own: func(path string) bool { return path == "/etc/hostname" },
	}
	layer := layerOf(t, src)
	want := []string{
		"./", "anew/", "anew/.wh..wh..opq", "anew/shown", "etc/", "etc/.wh.gone", "etc/.wh.socket", "moved/", "moved/f", "moved/g aa/g", ".wh.old",
		"root/", "root/note", "usr/", "usr/bin/", "usr/bin/one", "usr/bin/two usr/bin/one", "zz/", "zz/f moved/f",
	}
	if diff := cmp.Diff(want, namesOf(t, layer)); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(flat(t, tarOf(t, guesttree.Source{Image: src.Image}), layer), tarOf(t, src)) {
		t.Error("over the image it is another tree than the guest's")
	}
}

// TestWhatAStartMakes is in no tree and in no layer, unless the guest made it its own.
func TestWhatAStartMakes(t *testing.T) {
	a := text(t, "a")
	image := ext4test.Make(t, "mkdir proc", "mkdir var", "mkdir var/gone", "mkdir run")
	start := []string{
		"mkdir system", "cd system", "mkdir upper", "cd upper", "mkdir dev", "mkdir lib", "mkdir lib/modules", "mkdir lib/modules/6",
		"mkdir var", "mkdir var/lib", "mkdir var/lib/docker", "mkdir srv", "mkdir run",
	}
	for _, dir := range []string{"dev", "lib", "lib/modules", "lib/modules/6", "var", "var/lib", "var/lib/docker", "srv", "run"} {
		start = append(start, "sif "+dir+" mode 040755")
	}
	made := func(path string) bool {
		return strings.HasPrefix("/lib/modules/6", path) || strings.HasPrefix("/var/lib/docker", path) || path == "/dev" || path == "/proc" || path == "/run"
	}
	for name, test := range map[string]struct {
		guest       []string
		tree, layer []string
	}{
		"nothing":      {nil, []string{"./", "proc/", "run/", "srv/", "var/", "var/gone/"}, []string{"./", "run/", "srv/", "var/"}},
		"a file":       {[]string{"cd lib/modules/6", "write " + a + " f"}, []string{"./", "lib/", "lib/modules/", "lib/modules/6/", "lib/modules/6/f", "proc/", "run/", "srv/", "var/", "var/gone/"}, []string{"./", "lib/", "lib/modules/", "lib/modules/6/", "lib/modules/6/f", "run/", "srv/", "var/"}},
		"a file above": {[]string{"cd lib", "write " + a + " f"}, []string{"./", "lib/", "lib/f", "proc/", "run/", "srv/", "var/", "var/gone/"}, []string{"./", "lib/", "lib/f", "run/", "srv/", "var/"}},
		"a directory":  {[]string{"mkdir var/lib/apt"}, []string{"./", "proc/", "run/", "srv/", "var/", "var/gone/", "var/lib/", "var/lib/apt/"}, []string{"./", "run/", "srv/", "var/", "var/lib/", "var/lib/apt/"}},
		"a mode":       {[]string{"sif dev mode 040700"}, []string{"./", "dev/", "proc/", "run/", "srv/", "var/", "var/gone/"}, []string{"./", "dev/", "run/", "srv/", "var/"}},
		"an owner":     {[]string{"sif dev uid 7"}, []string{"./", "dev/", "proc/", "run/", "srv/", "var/", "var/gone/"}, []string{"./", "dev/", "run/", "srv/", "var/"}},
		"a label":      {[]string{"ea_set dev user.k v"}, []string{"./", "dev/", "proc/", "run/", "srv/", "var/", "var/gone/"}, []string{"./", "dev/", "run/", "srv/", "var/"}},
	} {
		t.Run(name, func(t *testing.T) {
			disk := ext4test.Make(t, slices.Concat(start, test.guest)...)
			src := guesttree.Source{Image: ext4test.Open(t, image), Disk: ext4test.Open(t, disk), Made: made}
			whole, layer := tarOf(t, src), layerOf(t, src)
			if diff := cmp.Diff(test.tree, namesOf(t, whole)); diff != "" {
				t.Errorf("tree: %s", diff)
			}
			if diff := cmp.Diff(test.layer, namesOf(t, layer)); diff != "" {
				t.Errorf("layer: %s", diff)
			}
			if !bytes.Equal(flat(t, tarOf(t, guesttree.Source{Image: src.Image}), layer), whole) {
				t.Error("over the image it is another tree than the guest's")
			}
		})
	}
}

// TestLinksThatOnlyTheIndexCounts: one name of a file was deleted, and the others are
// still one file, though the disk's inode counts none of them.
func TestLinksThatOnlyTheIndexCounts(t *testing.T) {
	a := text(t, "a")
	image := ext4test.Make(t, "write "+a+" one", "ln one two", "ln one three", "sif one links_count 3")
	disk := ext4test.Make(t, placed([]string{
		"mkdir system", "mkdir system/upper", "mkdir system/work", "mkdir system/work/index", "mknod system/upper/one c 0 0",
		"write " + a + " system/work/index/" + handle(inode(t, image, "one")),
	})...)
	src := guesttree.Source{Image: ext4test.Open(t, image), Disk: ext4test.Open(t, disk)}
	if diff := cmp.Diff([]string{"./", "three", "two three"}, namesOf(t, tarOf(t, src))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"./", ".wh.one", "three", "two three"}, namesOf(t, layerOf(t, src))); diff != "" {
		t.Error(diff)
	}
}

// TestLayerOfAWhiteoutsName: such a file would hide another.
func TestLayerOfAWhiteoutsName(t *testing.T) {
	disk := ext4test.Make(t, placed([]string{"mkdir system", "mkdir system/upper", "mknod system/upper/.wh.x p"})...)
	err := guesttree.WriteLayer(t.Context(), io.Discard, guesttree.Source{
		Image: ext4test.Open(t, ext4test.Make(t)), Disk: ext4test.Open(t, disk),
	})
	if !errors.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), `".wh.x" cannot be in an image`) {
		t.Errorf("%v", err)
	}
}

// inode finds the inode of a path.
func inode(t *testing.T, file, at string) uint32 {
	t.Helper()
	fs := ext4test.Open(t, file)
	number := uint32(ext4.RootInode)
	for name := range strings.SplitSeq(at, "/") {
		dir, err := fs.Inode(number)
		if err == nil {
			err = fs.ReadDir(t.Context(), dir, func(e ext4.Entry) error {
				if e.Name == name {
					number = e.Inode
				}
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return number
}

// placed has debugfs make files where their paths say: some commands know only names.
func placed(commands []string) (out []string) {
	for _, command := range commands {
		words := strings.Fields(command)
		at := map[string]int{"write": 2, "mknod": 1, "symlink": 1}[words[0]]
		if at == 0 {
			out = append(out, command)
			continue
		}
		dir, name := path.Split(path.Join("/", words[at]))
		words[at] = name
		out = append(out, "cd "+dir, strings.Join(words, " "), "cd /")
	}
	return out
}

// wild makes random trees: commands of debugfs for an image, and then for a disk over it.
type wild struct {
	t        *testing.T
	rand     *rand.Rand
	source   string
	commands []string
	dirs     map[string][]string // the names in each of the image's directories
	linked   [][]string          // files of the image with several names
	files    []string
}

func (w *wild) do(format string, args ...any) {
	w.commands = append(w.commands, fmt.Sprintf(format, args...))
}

func (w *wild) oneIn(n int) bool { return w.rand.IntN(n) == 0 }

// describe gives a file its own owner, mode and time, and sometimes attributes.
func (w *wild) describe(at string, kind int) {
	w.do("sif %s mode 0%o", at, kind|w.rand.IntN(0o10000))
	w.do("sif %s uid %d", at, w.rand.IntN(70000))
	w.do("sif %s mtime @%d", at, w.rand.IntN(1<<30))
	if w.oneIn(3) && (kind == 0o100000 || kind == 0o040000) {
		w.do("ea_set %s user.k v%d", at, w.rand.IntN(9))
	}
	if w.oneIn(4) {
		w.do("ea_set %s security.k v%d", at, w.rand.IntN(9))
	}
}

// file makes something that is no directory.
func (w *wild) file(at string) {
	switch w.rand.IntN(6) {
	case 0:
		w.do("symlink %s %s", at, []string{"a", "../b", "/c/d", "nowhere"}[w.rand.IntN(4)])
	case 1:
		w.do("mknod %s p", at)
		w.describe(at, 0o010000)
	case 2:
		w.do("mknod %s c %d 3", at, 1+w.rand.IntN(5))
		w.describe(at, 0o020000)
	default:
		w.do("write %s %s", w.source, at)
		w.describe(at, 0o100000)
	}
}

func (w *wild) image(dir string, depth int) {
	for _, name := range []string{"a", "b", "c", "d"} {
		at := path.Join(dir, name)
		switch {
		case w.oneIn(3):
			continue
		case depth < 3 && w.oneIn(2):
			w.do("mkdir %s", at)
			w.describe(at, 0o040000)
			w.image(at, depth+1)
		case len(w.files) > 0 && w.oneIn(3):
			first := w.files[len(w.files)-1]
			w.files = w.files[:len(w.files)-1]
			w.do("ln %s %s", first, at)
			w.do("sif %s links_count 2", at)
			w.linked = append(w.linked, []string{first, at})
		case w.oneIn(2):
			w.do("write %s %s", w.source, at)
			w.describe(at, 0o100000)
			w.files = append(w.files, at)
		default:
			w.file(at)
		}
		w.dirs[dir] = append(w.dirs[dir], name)
	}
}

// over makes a directory of the upper layer, over the image's at lower; empty: over none.
func (w *wild) over(upper, lower string, depth int, changed map[string]bool) {
	has := func(name string) bool {
		for _, n := range w.dirs[lower] {
			if lower != "" && n == name {
				return true
			}
		}
		return false
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		at, low := path.Join(upper, name), path.Join(lower, name)
		_, isDir := w.dirs[low]
		isDir = isDir && has(name)
		switch kind := w.rand.IntN(8); {
		case changed[low] && has(name):
			continue
		case kind == 0:
			w.do("mknod %s c 0 0", at)
		case kind == 1:
			w.file(at)
		case kind == 2:
			w.do("mknod %s p", at)
			w.do("sif %s mode 0140755", at)
		case kind < 6 && depth < 4:
			w.do("mkdir %s", at)
			w.describe(at, 0o040000)
			if !isDir {
				low = ""
			}
			switch {
			case w.oneIn(4):
				w.do("ea_set %s trusted.overlay.opaque y", at)
				low = ""
			case w.oneIn(3):
				from := []string{"/a", "/b", "/c", "/a/b"}[w.rand.IntN(4)]
				w.do("ea_set %s trusted.overlay.redirect %s", at, from)
				low = "/image" + from
			}
			w.over(at, low, depth+1, changed)
		}
	}
}

// TestLayerIsTheDifference: over the image, the layer of any disk gives what its guest
// sees, to the byte.
func TestLayerIsTheDifference(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &wild{t: t, rand: rand.New(rand.NewPCG(seed, 1)), source: text(t, "content"), dirs: map[string][]string{"/image": nil}} //nolint:gosec // a test
			w.image("/", 0)
			image := ext4test.Make(t, placed(w.commands)...)
			dirs := map[string][]string{}
			for dir, names := range w.dirs {
				dirs[path.Join("/image", dir)] = names
			}
			w.dirs, w.commands = dirs, []string{"mkdir system", "mkdir system/upper", "mkdir system/work", "mkdir system/work/index"}
			changed := map[string]bool{}
			for i, names := range w.linked {
				if !w.oneIn(2) {
					continue
				}
				w.do("write %s i%d", w.source, i)
				w.describe(fmt.Sprintf("i%d", i), 0o100000)
				if w.oneIn(2) { // no name of it is in the upper layer
					w.do("sif i%d links_count 2", i)
				}
				w.do("ln i%d /system/work/index/%s", i, handle(inode(t, image, strings.TrimPrefix(names[0], "/"))))
				for _, name := range names {
					changed["/image"+name] = true
				}
			}
			w.over("/system/upper", "/image", 0, changed)
			disk := ext4test.Make(t, placed(w.commands)...)
			src := guesttree.Source{Image: ext4test.Open(t, image), Disk: ext4test.Open(t, disk)}
			base, layer, want := tarOf(t, guesttree.Source{Image: src.Image}), layerOf(t, src), tarOf(t, src)
			if got := flat(t, base, layer); !bytes.Equal(got, want) {
				t.Errorf("%s", cmp.Diff(tree(t, bytes.NewReader(want)), tree(t, bytes.NewReader(got))))
				t.Logf("layer: %q", namesOf(t, layer))
			}
		})
	}
}
