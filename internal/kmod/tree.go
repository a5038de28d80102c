package kmod

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
	"golang.org/x/sync/errgroup"

	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
)

// Bounds of a tree of modules.
const (
	maxModule     = 512 << 20 // bytes, decompressed
	maxTree       = 8 << 30   // bytes, decompressed
	maxDictionary = 64 << 20  // bytes, of a compressed module
)

// tree is a staged /lib/modules/<version>, as depmod and modprobe want it.
type tree struct {
	root    string // depmod's base directory
	dir     string // root/lib/modules/<version>
	version string
}

// makeTree makes an empty tree below root. lib is a link into usr/, since some
// builds of depmod look there.
func makeTree(root, version string) (tree, error) {
	t := tree{root: root, version: version, dir: filepath.Join(root, "usr", "lib", "modules", version)}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return tree{}, err
	}
	return t, os.Symlink(filepath.Join("usr", "lib"), filepath.Join(root, "lib"))
}

// fill copies what a guest needs of the directory dir of fsys: the modules,
// decompressed, and the lists that depmod reads. Everything else stays, such as
// links to the kernel's sources and indexes made for compressed modules. It
// returns the number of modules.
func (t tree) fill(ctx context.Context, fsys fs.FS, dir string, p operation.Progress) (int, error) {
	files, err := listFiles(ctx, fsys, dir)
	if err != nil {
		return 0, err
	}
	var count int
	for _, f := range files {
		if f.module {
			count++
		}
	}
	if count == 0 {
		return 0, invalid("%s holds no kernel modules", dir).WithHint("import a package with modules, or a directory without lib/modules")
	}
	var done, total atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range files {
		g.Go(func() error {
			n, err := t.copyIn(ctx, fsys, path.Join(dir, f.name), f)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			if total.Add(n) > maxTree {
				return invalid("the modules are larger than %d bytes", int64(maxTree))
			}
			if f.module {
				p.Count(done.Add(1), int64(count), "")
			}
			return nil
		})
	}
	return count, g.Wait()
}

// file is one to copy. name is relative to the modules' directory; stored is
// the same without the suffix of a compression.
type file struct {
	name, stored string
	module       bool
}

func listFiles(ctx context.Context, fsys fs.FS, dir string) ([]file, error) {
	var files []file
	seen := map[string]string{}
	err := fs.WalkDir(fsys, dir, func(name string, e fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
		f := file{name: rel, stored: rel}
		switch {
		case !e.Type().IsRegular():
			return nil
		case rel == "modules.order", rel == "modules.builtin", rel == "modules.builtin.modinfo":
		case !strings.Contains(rel, "/"):
			return nil
		default:
			f.stored, f.module = moduleName(rel)
			if !f.module {
				return nil
			}
			if other, ok := seen[f.stored]; ok {
				return invalid("%s and %s are the same module", other, rel)
			}
			seen[f.stored] = rel
		}
		if len(files) >= kernel.MaxModules {
			return invalid("%s holds more than %d modules", dir, kernel.MaxModules)
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// moduleName strips a compression's suffix from a module's file name.
func moduleName(name string) (string, bool) {
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		if stem, ok := strings.CutSuffix(name, ".ko"+suffix); ok {
			return stem + ".ko", true
		}
	}
	return "", false
}

// copyIn copies one file to its place, decompressed, and returns its size.
func (t tree) copyIn(ctx context.Context, fsys fs.FS, name string, f file) (n int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	in, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close() //nolint:errcheck // read only
	dst := filepath.Join(t.dir, filepath.FromSlash(f.stored))
	if err := os.MkdirAll(filepath.Dir(dst), 0o700); err != nil {
		return 0, err
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if f.name == "modules.order" {
		return 0, copyOrder(out, in)
	}
	r, done, err := decompressor(f.name, in)
	if err != nil {
		return 0, invalid("damaged: %v", err)
	}
	defer done()
	n, err = io.Copy(out, io.LimitReader(r, maxModule+1))
	switch {
	case n > maxModule:
		return n, invalid("larger than %d bytes", maxModule)
	case err != nil && f.name != f.stored && !isSystem(err):
		return n, invalid("damaged: %v", err)
	}
	return n, err
}

// isSystem tells the failure to read or write a file from damaged data.
func isSystem(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

func decompressor(name string, r io.Reader) (io.Reader, func(), error) {
	nothing := func() {}
	switch path.Ext(name) {
	case ".gz":
		zr, err := gzip.NewReader(r)
		return zr, nothing, err
	case ".xz":
		zr, err := xz.NewReader(bufio.NewReader(r), maxDictionary)
		return zr, nothing, err
	case ".zst":
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderMaxMemory(maxModule))
		if err != nil {
			return nil, nothing, err
		}
		return zr, zr.Close, nil
	default:
		return r, nothing, nil
	}
}

// copyOrder copies modules.order, naming modules as they are stored.
func copyOrder(w io.Writer, r io.Reader) error {
	lines := bufio.NewScanner(io.LimitReader(r, maxIndex))
	out := bufio.NewWriter(w)
	for lines.Scan() {
		name, ok := moduleName(lines.Text())
		if !ok {
			continue
		}
		if _, err := fmt.Fprintln(out, name); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), out.Flush())
}
