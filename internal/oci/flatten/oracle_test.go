package flatten_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/log"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/oci/flatten"
)

// file is one entry of a layer.
type file struct {
	tar.Header
	body string
}

func dir(name string) file {
	return file{Header: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}}
}

func reg(name, body string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, body: body}
}

func sym(name, target string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}}
}

func hard(name, target string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o644}}
}

type layer []file

func (l layer) tar() ([]byte, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range l {
		f.Size = int64(len(f.body))
		if f.ModTime.IsZero() {
			f.ModTime = time.Unix(1600000000, 0)
		}
		if err := tw.WriteHeader(&f.Header); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(tw, f.body); err != nil {
			return nil, err
		}
	}
	err := tw.Close()
	return buf.Bytes(), err
}

// memory is the contents of layers that are held in memory.
type memory [][]byte

func (m memory) Open(layer int, _ bool, offset, size int64) io.Reader {
	return bytes.NewReader(m[layer][offset:][:size])
}

type noSide struct{}

func (noSide) Append(io.Reader, int64) (int64, error) { return 0, errors.New("no side") }

func merge(ctx context.Context, layers [][]byte, out io.Writer) error {
	budget := flatten.NewBudget(flatten.Limits{Bytes: 1 << 20, Entries: 1000})
	tree := flatten.NewTree(budget, flatten.Rules{})
	for i, raw := range layers {
		index, err := flatten.ReadIndex(ctx, bytes.NewReader(raw), noSide{}, budget)
		if err != nil {
			return err
		}
		if err := tree.Apply(ctx, i, index); err != nil {
			return err
		}
	}
	return tree.WriteTo(ctx, out, memory(layers), func(int64, int64) {})
}

// snapshot describes each path. Hard links show the first of their names.
type snapshot map[string]string

// readTar reads what merge wrote, and refuses what ext4's writer could not take.
func readTar(r io.Reader) (snapshot, error) {
	snap, first := snapshot{}, map[string]string{}
	tr := tar.NewReader(r)
	groups := map[string][]string{}
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name := strings.Trim(strings.TrimPrefix(hdr.Name, "./"), "/")
		if _, twice := snap[name]; twice {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		if !fs.ValidPath(name) && name != "" {
			return nil, fmt.Errorf("%q is no clean path", name)
		}
		if parent := filepath.Dir(name); parent != "." && !strings.HasPrefix(snap[parent], "d") {
			return nil, fmt.Errorf("%q comes before its directory", name)
		}
		if hdr.Typeflag == tar.TypeLink {
			if _, there := snap[hdr.Linkname]; !there {
				return nil, fmt.Errorf("%q links to %q, which is not there yet", name, hdr.Linkname)
			}
			snap[name] = snap[hdr.Linkname]
			first[name] = hdr.Linkname
			groups[hdr.Linkname] = append(groups[hdr.Linkname], name)
			continue
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		var xattrs []string
		for key, value := range hdr.PAXRecords {
			if key, found := strings.CutPrefix(key, "SCHILY.xattr."); found {
				xattrs = append(xattrs, key+"="+value)
			}
		}
		sort.Strings(xattrs)
		kind := map[byte]string{tar.TypeReg: "f", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeFifo: "p", tar.TypeChar: "c", tar.TypeBlock: "b"}[hdr.Typeflag]
		snap[name] = describe(kind, hdr.Mode, hdr.Uid, hdr.Gid, string(body)+hdr.Linkname, xattrs, hdr.Devmajor, hdr.Devminor)
	}
	for target, names := range groups {
		all := append([]string{target}, names...)
		sort.Strings(all)
		for _, name := range all {
			snap[name] += " links " + strings.Join(all, ",")
		}
	}
	delete(snap, "")
	return snap, nil
}

func describe(kind string, mode int64, uid, gid int, body string, xattrs []string, major, minor int64) string {
	return fmt.Sprintf("%s %o %d:%d %q %q %d:%d", kind, mode, uid, gid, body, xattrs, major, minor)
}

// readDir describes what containerd made of the layers.
func readDir(root string) (snapshot, error) {
	snap := snapshot{}
	inodes := map[uint64][]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		body, kind := "", map[uint32]string{unix.S_IFREG: "f", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFIFO: "p", unix.S_IFCHR: "c", unix.S_IFBLK: "b"}[st.Mode&unix.S_IFMT]
		switch kind {
		case "f":
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			body = string(data)
		case "l":
			if body, err = os.Readlink(path); err != nil {
				return err
			}
		}
		if kind != "d" {
			inodes[st.Ino] = append(inodes[st.Ino], name)
		}
		xattrs, err := readXattrs(path)
		if err != nil {
			return err
		}
		snap[name] = describe(kind, int64(st.Mode&0o7777), int(st.Uid), int(st.Gid), body, xattrs, int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev)))
		return nil
	})
	for _, names := range inodes {
		if len(names) > 1 {
			sort.Strings(names)
			for _, name := range names {
				snap[name] += " links " + strings.Join(names, ",")
			}
		}
	}
	return snap, err
}

func readXattrs(path string) ([]string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return nil, err
	}
	var xattrs []string
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, key, value)
		if err != nil {
			return nil, err
		}
		xattrs = append(xattrs, key+"="+string(value[:n]))
	}
	sort.Strings(xattrs)
	return xattrs, nil
}

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

func oracle(ctx context.Context, root string, layers [][]byte) error {
	for _, raw := range layers {
		if _, err := archive.Apply(ctx, root, bytes.NewReader(raw)); err != nil {
			return err
		}
	}
	return nil
}

func TestMergeEqualsContainerd(t *testing.T) {
	needRoot(t)
	if err := log.SetLevel("error"); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	compared := 0
	rapid.Check(t, func(rt *rapid.T) {
		var layers [][]byte
		for _, l := range rapid.SliceOfN(anyLayer(), 1, 4).Draw(rt, "layers") {
			raw, err := l.tar()
			if err != nil {
				rt.Fatal(err)
			}
			layers = append(layers, raw)
		}
		root := filepath.Join(base, "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(root) }()
		applyErr := oracle(t.Context(), root, layers)
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
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("containerd (-) and merge (+) differ:\n%s", diff)
		}
	})
	if compared < 10 {
		t.Errorf("only %d cases could be compared", compared)
	}
}

func anyLayer() *rapid.Generator[layer] {
	component := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	path := rapid.Custom(func(rt *rapid.T) string {
		return strings.Join(rapid.SliceOfN(component, 1, 3).Draw(rt, "path"), "/")
	})
	odd := rapid.Custom(func(rt *rapid.T) string {
		prefix := rapid.SampledFrom([]string{"", "", "", "./", "/", "../", "a/../"}).Draw(rt, "prefix")
		return prefix + path.Draw(rt, "name")
	})
	// Not dots after a name: where a link is on the way, containerd's answer
	// depends on how often it looked.
	target := rapid.Custom(func(rt *rapid.T) string {
		return rapid.SampledFrom([]string{"", "", "./", "/", "../", "../../"}).Draw(rt, "climb") + path.Draw(rt, "to")
	})
	entry := rapid.Custom(func(rt *rapid.T) file {
		name := odd.Draw(rt, "odd")
		kind := rapid.SampledFrom([]string{"dir", "dir", "reg", "reg", "reg", "sym", "hard", "fifo", "dev", "whiteout", "opaque"}).Draw(rt, "kind")
		var f file
		switch kind {
		case "dir":
			f = dir(name)
		case "reg":
			f = reg(name, rapid.StringMatching("[a-z]{0,5}").Draw(rt, "body"))
			if rapid.Bool().Draw(rt, "xattr") {
				f.Format = tar.FormatPAX
				f.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "v" + f.body, "SCHILY.xattr.trusted.overlay.opaque": "y"}
			}
		case "sym":
			return sym(name, target.Draw(rt, "target"))
		case "hard":
			f = hard(name, target.Draw(rt, "target"))
		case "fifo":
			f = file{Header: tar.Header{Name: name, Typeflag: tar.TypeFifo}}
		case "dev":
			f = file{Header: tar.Header{Name: name, Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}
		case "whiteout":
			at, base := filepath.Split(name)
			return reg(at+".wh."+base, "")
		case "opaque":
			return reg(name+"/.wh..wh..opq", "")
		}
		f.Mode = int64(rapid.SampledFrom([]int{0o755, 0o644, 0o4755, 0o1777, 0}).Draw(rt, "mode"))
		f.Uid = rapid.SampledFrom([]int{0, 1000, 70000}).Draw(rt, "uid")
		return f
	})
	return rapid.Custom(func(rt *rapid.T) layer { return rapid.SliceOfN(entry, 1, 8).Draw(rt, "entries") })
}
