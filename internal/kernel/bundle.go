package kernel

import (
	"encoding/json"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/bangervm/banger/internal/fault"
)

// A bundle is a kernel as it was imported elsewhere, packed: these files.
const (
	BundleManifest    = "kernel.json"
	BundleVmlinux     = "vmlinux"
	BundleInitrd      = "initrd.img"
	BundleModules     = "modules.ext4"
	BundleBootModules = "boot-modules" // a directory
)

// BundleFormat numbers BundleManifest. A newer one is refused.
const BundleFormat = 1

const (
	maxBundleManifest = 1 << 20
	maxBootModules    = 256
)

// MaxModules is how many modules a kernel can have.
const MaxModules = 50_000

// Bundle is the content of BundleManifest: what cannot be read off the other
// files. Its fields are those of Manifest.
type Bundle struct {
	Format        int               `json:"format"`
	Version       string            `json:"version"`
	Architecture  string            `json:"architecture"`
	Modules       int               `json:"modules"`
	BootModules   []string          `json:"boot_modules"`
	LateModules   []string          `json:"late_modules"`
	ModuleDevices map[string]uint32 `json:"module_devices,omitempty"`
}

// BundleOf is the Bundle of an imported kernel.
func BundleOf(m Manifest) Bundle {
	return Bundle{
		Format: BundleFormat, Version: m.Version, Architecture: m.Architecture, Modules: m.Modules,
		BootModules: m.BootModules, LateModules: m.LateModules, ModuleDevices: m.ModuleDevices,
	}
}

// ParseBundle reads the content of BundleManifest. Names that are no names of
// modules, and versions that are none, are Invalid.
func ParseBundle(data []byte) (Bundle, error) {
	var b Bundle
	if len(data) > maxBundleManifest {
		return Bundle{}, fault.New(fault.Invalid, "%s is larger than %s", BundleManifest, fault.Bytes(maxBundleManifest))
	}
	if err := json.Unmarshal(data, &b); err != nil {
		return Bundle{}, fault.Wrap(fault.Invalid, err, "%s", BundleManifest)
	}
	all := slices.Concat(b.BootModules, b.LateModules)
	switch {
	case b.Format < 1 || b.Format > BundleFormat:
		return Bundle{}, fault.New(fault.Invalid, "%s has format %d; this banger knows formats up to %d", BundleManifest, b.Format, BundleFormat).
			WithHint("upgrade banger")
	case len(all) > maxBootModules || b.Modules < 0 || b.Modules > MaxModules:
		return Bundle{}, fault.New(fault.Invalid, "%s names %d boot modules of %d modules: more than a kernel has", BundleManifest, len(all), b.Modules)
	}
	for i, name := range all {
		if !isModule(name) || slices.Contains(all[:i], name) {
			return Bundle{}, fault.New(fault.Invalid, "%s: %q is not a module's file name, or appears twice", BundleManifest, name)
		}
	}
	for name := range b.ModuleDevices {
		if !slices.Contains(all, name) {
			return Bundle{}, fault.New(fault.Invalid, "%s: %q is not one of its modules", BundleManifest, name)
		}
	}
	return b, checkVersion(b.Version)
}

// isModule reports whether name is a module's file name, and no path.
func isModule(name string) bool {
	const most = 128
	if len(name) > most || len(name) < 4 || path.Ext(name) != ".ko" {
		return false
	}
	for _, c := range []byte(name) {
		if classOf(c) == classSeparator && c != '_' && c != '-' && c != '.' && c != '+' {
			return false
		}
	}
	return name[0] != '.'
}

// readBundle reads a bundle's manifest, and sees that the files it needs are
// there, as files.
func readBundle(fsys fs.FS) (Bundle, error) {
	f, err := fsys.Open(BundleManifest)
	if err != nil {
		return Bundle{}, fault.New(fault.Invalid, "the bundle has no %s", BundleManifest)
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxBundleManifest+1))
	if err != nil {
		return Bundle{}, err
	}
	b, err := ParseBundle(data)
	if err != nil {
		return Bundle{}, err
	}
	return b, checkFiles(fsys, b)
}

// checkFiles refuses a bundle that lacks a file, or has a link in the place of one: the
// files are moved out of the bundle, where a link leads elsewhere.
func checkFiles(fsys fs.FS, b Bundle) error {
	needs := []string{BundleVmlinux}
	if b.Modules > 0 {
		needs = append(needs, BundleModules)
	}
	for _, name := range slices.Concat(b.BootModules, b.LateModules) {
		needs = append(needs, path.Join(BundleBootModules, name))
	}
	for _, name := range needs {
		if _, err := fs.Lstat(fsys, name); err != nil {
			return fault.New(fault.Invalid, "the bundle has no file %s", name)
		}
	}
	for _, name := range append(needs, BundleInitrd, BundleModules) {
		if info, err := fs.Lstat(fsys, name); err == nil && !info.Mode().IsRegular() {
			return fault.New(fault.Invalid, "the bundle's %s is not a regular file", name)
		}
	}
	if info, err := fs.Lstat(fsys, BundleBootModules); err == nil && !info.IsDir() {
		return fault.New(fault.Invalid, "the bundle's %s is not a directory", BundleBootModules)
	}
	return nil
}
