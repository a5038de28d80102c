// Package aptkernel gets kernel packages by the host's own apt, which verifies them
// by the keys of the host's package sources. It needs no root, and changes nothing
// of the host's apt.
package aptkernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/statedir"
)

// Client is a kernel.Packages. It is safe for concurrent use, but gets one package
// at a time from each directory.
type Client struct {
	dir   string // for its own lists, and what is unpacked
	open  func(dir string) (kernel.Source, error)
	tools tools
}

// New returns a Client that works below dir, which it makes. open opens what was
// unpacked.
func New(dir string, open func(dir string) (kernel.Source, error)) *Client {
	return &Client{dir: dir, open: open, tools: tools{get: "apt-get", cache: "apt-cache", deb: "dpkg-deb"}}
}

var _ kernel.Packages = (*Client)(nil)

// Open implements kernel.Packages. It asks with the host's own package lists first.
// Where these are missing or too old, it fetches its own lists.
func (c *Client) Open(ctx context.Context, meta string, p operation.Progress) (_ kernel.Package, err error) {
	if err := c.tools.check(); err != nil {
		return kernel.Package{}, err
	}
	work, err := c.workDir()
	if err != nil {
		return kernel.Package{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	p.Stage(kernel.StageDownload)
	parts, err := c.download(ctx, apt{tools: c.tools}, meta, work, p)
	if err != nil && ctx.Err() == nil {
		p.Stage("package lists")
		p.Detail("%v", err)
		own := apt{tools: c.tools, state: filepath.Join(c.dir, "apt")}
		if err := own.update(ctx); err != nil {
			return kernel.Package{}, err
		}
		p.Stage(kernel.StageDownload)
		parts, err = c.download(ctx, own, meta, work, p)
	}
	if err != nil {
		return kernel.Package{}, err
	}
	p.Stage(kernel.StageUnpack)
	return c.unpack(ctx, parts, work)
}

func (c *Client) workDir() (string, error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", statedir.DiskFault(err, c.dir)
	}
	dir, err := os.MkdirTemp(c.dir, "package.*"+statedir.StagingSuffix)
	return dir, statedir.DiskFault(err, c.dir)
}

// Sweep removes what a daemon that died has left. Nothing may be under way.
func (c *Client) Sweep(ctx context.Context) error {
	left, err := filepath.Glob(filepath.Join(c.dir, "package.*"+statedir.StagingSuffix))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := statedir.RemoveStaged(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// source removes the files when it is closed.
type source struct {
	kernel.Source
	dir string
}

func (s source) Close() error { return errors.Join(s.Source.Close(), os.RemoveAll(s.dir)) }

// unpack unpacks what was downloaded into work, as one tree.
func (c *Client) unpack(ctx context.Context, parts []part, work string) (kernel.Package, error) {
	tree := filepath.Join(work, "tree")
	var pkg kernel.Package
	for _, p := range parts {
		if _, err := run(ctx, work, nil, c.tools.deb, "-x", filepath.Join(work, p.file), tree); err != nil {
			return kernel.Package{}, err
		}
		pkg.Parts = append(pkg.Parts, kernel.PackageFile{Name: p.name, Version: p.version, URL: p.url, SHA256: p.sha256})
	}
	src, err := c.open(tree)
	if err != nil {
		return kernel.Package{}, err
	}
	pkg.Source = source{src, work}
	return pkg, nil
}

// part is a package to get, and where from.
type part struct {
	wanted
	location
}

// download gets the kernel package that meta depends on, and those of its modules, into
// dir. The kernel's is the first.
func (c *Client) download(ctx context.Context, a apt, meta, dir string, p operation.Progress) ([]part, error) {
	packages, err := a.wanted(ctx, meta)
	if err != nil {
		return nil, err
	}
	parts := make([]part, len(packages))
	var total int64
	for i, w := range packages {
		at, err := a.locate(ctx, w.spec())
		if err != nil {
			return nil, err
		}
		parts[i] = part{w, at}
		total += at.size
	}
	p.Detail("%s %s", parts[0].name, parts[0].version)
	if err := statedir.NewRoom(dir).Take(total); err != nil {
		return nil, err
	}
	if err := a.download(ctx, dir, packages, total, p); err != nil {
		return nil, err
	}
	for i := range parts {
		if err := parts[i].check(ctx, dir); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// check compares the file in dir with the hash that the package list has, or notes it
// where that has none.
func (p *part) check(ctx context.Context, dir string) error {
	sum, err := hashFile(ctx, filepath.Join(dir, p.file))
	if err != nil {
		return err
	}
	if p.sha256 != "" && sum != p.sha256 {
		return fault.New(fault.Invalid, "package %s has the sha256 %s; the package list says %s", p.name, sum, p.sha256)
	}
	p.sha256 = sum
	return nil
}

func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), context.Cause(ctx)
}

// tools are the programs that this needs.
type tools struct{ get, cache, deb string }

func (t tools) check() error {
	for _, name := range []string{t.get, t.cache, t.deb} {
		if _, err := exec.LookPath(name); err != nil {
			return fault.New(fault.Unavailable, "this host has no %s, which banger needs to fetch and verify the kernel's package", name).
				WithHint("pull a kernel that is not a package, or import one from a directory")
		}
	}
	return nil
}
