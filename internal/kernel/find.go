package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Layout is where the parts of a kernel are, as names in a Source.
type Layout struct {
	Binary  Binary
	Version string // as in /lib/modules/<version>
	Image   string // the executable, as shipped
	Initrd  string // empty: none
	Modules string // the directory; empty: none
}

// Find finds the newest kernel in a directory. It looks for MetadataFile; else
// for vmlinux-*, vmlinuz-*, vmlinux, vmlinuz, Image and bzImage (and, on arm64,
// their .gz) in boot/, in the directory itself and beside the modules; for an
// initrd of the same suffix; and for modules in lib/modules/<version> or
// usr/lib/modules/<version>.
func Find(ctx context.Context, fsys fs.FS, exe Executables) (Layout, error) {
	meta, ok, err := readMetadata(fsys)
	if err != nil {
		return Layout{}, err
	}
	if ok {
		return fromMetadata(ctx, fsys, exe, meta)
	}
	trees := moduleTrees(fsys)
	best, notes, err := newest(ctx, fsys, exe, trees)
	if err != nil {
		return Layout{}, err
	}
	if best.Image == "" {
		return Layout{}, noKernel(notes)
	}
	if err := checkVersion(best.Version); err != nil {
		return Layout{}, fmt.Errorf("%s: %w", best.Image, err)
	}
	best.Initrd = initrdOf(fsys, best)
	if best.Modules == "" && len(trees) > 0 {
		return Layout{}, fault.New(fault.Invalid, "%s is kernel %s, but the directory's modules are for %s",
			best.Image, best.Version, strings.Join(versionsOf(trees), ", ")).
			WithHint("add lib/modules/%s, or remove the other lib/modules", best.Version)
	}
	return best, nil
}

func noKernel(notes []string) error {
	const looked = "boot/vmlinux-*, boot/vmlinuz-*, vmlinux, vmlinuz, lib/modules/*/vmlinuz, " + MetadataFile
	f := fault.New(fault.Invalid, "no kernel in the directory (looked for %s)", looked)
	if len(notes) > 0 {
		f = fault.New(fault.Invalid, "no kernel in the directory (looked for %s; not usable: %s)", looked, strings.Join(notes, "; "))
	}
	return f.WithHint("give the directory of an unpacked kernel package: dpkg-deb -x PACKAGE.deb DIR")
}

// newest probes all candidates and returns the one of the newest version; of
// several with one version, the first. notes say why others are no kernels.
func newest(ctx context.Context, fsys fs.FS, exe Executables, trees []string) (Layout, []string, error) {
	var best Layout
	var notes []string
	for _, name := range candidates(fsys, trees) {
		if err := ctx.Err(); err != nil {
			return Layout{}, nil, err
		}
		bin, err := exe.Probe(ctx, fsys, name)
		if err != nil {
			if ctx.Err() != nil {
				return Layout{}, nil, ctx.Err()
			}
			notes = append(notes, name+": "+err.Error())
			continue
		}
		l := Layout{Binary: bin, Image: name}
		l.Version, l.Modules = matchModules(name, bin.Version, trees)
		if l.Version == "" {
			notes = append(notes, name+": cannot find its version")
			continue
		}
		if best.Image == "" || CompareVersions(l.Version, best.Version) > 0 {
			best = l
		}
	}
	return best, notes, nil
}

// candidates are the names that a kernel's executable goes by, an uncompressed
// one before a compressed one.
func candidates(fsys fs.FS, trees []string) []string {
	var names []string
	for _, dir := range append([]string{"boot", "."}, trees...) {
		entries, err := fs.ReadDir(fsys, dir)
		if err != nil {
			continue
		}
		var here []string
		for _, e := range entries {
			if isKernelName(e.Name()) && isFile(fsys, path.Join(dir, e.Name())) {
				here = append(here, path.Join(dir, e.Name()))
			}
		}
		slices.Sort(here) // vmlinux before vmlinuz
		names = append(names, here...)
	}
	return names
}

func isKernelName(name string) bool {
	stem := strings.TrimSuffix(name, ".gz")
	if slices.Contains([]string{"vmlinux", "vmlinuz", "bzImage", "Image"}, stem) {
		return true
	}
	return strings.HasPrefix(name, "vmlinux-") || strings.HasPrefix(name, "vmlinuz-") || strings.HasPrefix(name, "Image-")
}

// isFile follows links, as far as fsys lets them lead.
func isFile(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.Mode().IsRegular()
}

// moduleTrees lists the directories lib/modules/<version> and
// usr/lib/modules/<version>. Of one version, only the first counts: on a
// merged-/usr tree they are the same.
func moduleTrees(fsys fs.FS) []string {
	var trees []string
	for _, parent := range []string{"lib/modules", "usr/lib/modules"} {
		entries, err := fs.ReadDir(fsys, parent)
		if err != nil {
			continue
		}
		for _, e := range entries {
			known := slices.Contains(versionsOf(trees), e.Name())
			if e.IsDir() && !known && looksLikeVersion(e.Name()) {
				trees = append(trees, path.Join(parent, e.Name()))
			}
		}
	}
	return trees
}

func versionsOf(trees []string) []string {
	var versions []string
	for _, tree := range trees {
		versions = append(versions, path.Base(tree))
	}
	return versions
}

// maxVersion is the longest version, in bytes: uname has room for no more.
const maxVersion = 64

// checkVersion refuses a version that could not be the name of a directory.
func checkVersion(v string) error {
	ok := len(v) <= maxVersion && v != "" && classOf(v[0]) != classSeparator
	for i := range len(v) {
		ok = ok && (classOf(v[i]) != classSeparator || strings.IndexByte("._+~-", v[i]) >= 0)
	}
	if !ok {
		return fault.New(fault.Invalid, "%q is not a kernel version", v)
	}
	return nil
}

func looksLikeVersion(s string) bool {
	return s != "" && classOf(s[0]) == classDigit && strings.Contains(s, ".")
}

// matchModules says which version the executable called name is, and which of
// the trees is its. What the executable says of itself wins; else the suffix of
// its name, which is a version (vmlinuz-6.1.0-9-amd64) or a flavour
// (vmlinuz-lts, whose modules are in 6.6.52-0-lts); else there must be one tree.
func matchModules(name, version string, trees []string) (string, string) {
	suffix := suffixOf(name)
	if version == "" && looksLikeVersion(suffix) {
		version = suffix
	}
	if i := slices.Index(versionsOf(trees), version); version != "" {
		if i < 0 {
			return version, ""
		}
		return version, trees[i]
	}
	var best string
	for _, tree := range trees {
		v := path.Base(tree)
		if path.Dir(name) == tree {
			return v, tree
		}
		if strings.HasSuffix(v, "-"+suffix) || suffix == "" {
			if best == "" || CompareVersions(v, path.Base(best)) > 0 {
				best = tree
			}
		}
	}
	if best == "" {
		return "", ""
	}
	return path.Base(best), best
}

// suffixOf is what follows the first '-' in a kernel's file name.
func suffixOf(name string) string {
	_, suffix, _ := strings.Cut(path.Base(name), "-")
	return suffix
}

func initrdOf(fsys fs.FS, l Layout) string {
	var names []string
	for _, suffix := range []string{suffixOf(l.Image), l.Version} {
		if suffix != "" {
			names = append(names, "initrd.img-"+suffix, "initrd-"+suffix, "initrd-"+suffix+".img",
				"initramfs-"+suffix+".img", "initramfs-"+suffix)
		}
	}
	if suffixOf(l.Image) == "" {
		names = append(names, "initrd.img", "initrd", "initramfs.img", "initramfs")
	}
	for _, dir := range []string{path.Dir(l.Image), "boot", "."} {
		for _, name := range names {
			if full := path.Join(dir, name); isFile(fsys, full) {
				return full
			}
		}
	}
	return ""
}

func notFound(err error) bool { return errors.Is(err, fs.ErrNotExist) }
