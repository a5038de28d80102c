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
	"strings"

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
	p.Stage("download")
	pkg, deb, err := c.download(ctx, apt{tools: c.tools}, meta, work, p)
	if err != nil && ctx.Err() == nil {
		p.Stage("package lists")
		p.Detail("%v", err)
		own := apt{tools: c.tools, state: filepath.Join(c.dir, "apt")}
		if err := own.update(ctx); err != nil {
			return kernel.Package{}, err
		}
		p.Stage("download")
		pkg, deb, err = c.download(ctx, own, meta, work, p)
	}
	if err != nil {
		return kernel.Package{}, err
	}
	p.Stage("unpack")
	tree := filepath.Join(work, "tree")
	if _, err := run(ctx, work, nil, c.tools.deb, "-x", deb, tree); err != nil {
		return kernel.Package{}, err
	}
	src, err := c.open(tree)
	if err != nil {
		return kernel.Package{}, err
	}
	pkg.Source = source{src, work}
	return pkg, nil
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

// download gets the kernel package that meta depends on into dir, and returns its
// file.
func (c *Client) download(ctx context.Context, a apt, meta, dir string, p operation.Progress) (kernel.Package, string, error) {
	record, err := a.show(ctx, meta)
	if err != nil {
		return kernel.Package{}, "", err
	}
	name, version, err := dependency(record, meta)
	if err != nil {
		return kernel.Package{}, "", err
	}
	wanted, err := a.locate(ctx, name+"="+version)
	if err != nil {
		return kernel.Package{}, "", err
	}
	p.Detail("%s %s", name, version)
	if err := statedir.NewRoom(dir).Take(wanted.size); err != nil {
		return kernel.Package{}, "", err
	}
	if err := a.download(ctx, dir, name+"="+version, wanted.size, p); err != nil {
		return kernel.Package{}, "", err
	}
	deb := filepath.Join(dir, wanted.file)
	sum, err := hashFile(ctx, deb)
	if err != nil {
		return kernel.Package{}, "", err
	}
	if wanted.sha256 != "" && sum != wanted.sha256 {
		return kernel.Package{}, "", fault.New(fault.Invalid, "package %s has the sha256 %s; the package list says %s", name, sum, wanted.sha256)
	}
	return kernel.Package{Name: name, Version: version, URL: wanted.url, SHA256: sum}, deb, nil
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

// dependency is the kernel package of a record as apt-cache shows it, with the exact
// version that the record depends on.
func dependency(record, meta string) (name, version string, err error) {
	for line := range strings.Lines(record) {
		depends, ok := strings.CutPrefix(line, "Depends: ")
		if !ok {
			continue
		}
		for item := range strings.SplitSeq(depends, ",") {
			name, rest, _ := strings.Cut(strings.TrimSpace(item), " ")
			exact, found := strings.CutPrefix(rest, "(= ")
			version := strings.TrimSuffix(exact, ")")
			if found && strings.HasPrefix(name, "linux-image-") && isPackageText(name) && isPackageText(version) {
				return name, version, nil
			}
		}
	}
	return "", "", fault.New(fault.Unavailable, "package %s depends on no kernel package", meta)
}

// isPackageText reports whether s is a package's name or version.
func isPackageText(s string) bool {
	return s != "" && len(s) < 200 && !strings.HasPrefix(s, "-") &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-~:") == ""
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
