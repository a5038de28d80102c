package kernel

import (
	"strings"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
)

// Entry is a kernel in a catalog: a bundle at a URL, or a package of a
// distribution.
type Entry struct {
	Name          string `json:"name"`
	Distro        string `json:"distro"`            // as ID in os-release
	Release       string `json:"release,omitempty"` // as VERSION_ID there
	Arch          string `json:"arch"`              // as GOARCH has it
	KernelVersion string `json:"kernel_version"`    // of a bundle exact, of a package the beginning
	Description   string `json:"description"`

	// TarballURL may be relative to the catalog's own.
	TarballURL    string `json:"tarball_url,omitempty"`
	TarballSHA256 string `json:"tarball_sha256,omitempty"`
	// AptPackage is a package that depends on the one with the newest kernel, so
	// that it follows security updates. It can be had on a host with Distro and
	// Release only.
	AptPackage string `json:"apt_package,omitempty"`
	// SizeBytes is what is downloaded: of a bundle exactly, of a package about.
	SizeBytes int64 `json:"size_bytes"`
}

// The bounds of what an entry may say, in bytes.
const (
	maxBundle = 2 << 30
	maxText   = 200
)

// Key implements catalog.Entry.
func (e Entry) Key() string { return e.Name + " for " + e.Arch }

// Validate implements catalog.Entry.
func (e Entry) Validate(from string) error {
	if err := CheckName(e.Name); err != nil {
		return err
	}
	bad := func(what, value string) error {
		return fault.New(fault.Invalid, "kernel %s: its %s %q is not valid", e.Name, what, value)
	}
	switch {
	case !isWord(e.Arch, ""):
		return bad("arch", e.Arch)
	case !isWord(e.Distro, "._-"):
		return bad("distro", e.Distro)
	case e.Release != "" && !isWord(e.Release, "._-"):
		return bad("release", e.Release)
	case len(e.Description) > maxText || strings.ContainsFunc(e.Description, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("description", e.Description)
	case (e.TarballURL == "") == (e.AptPackage == ""):
		return fault.New(fault.Invalid, "kernel %s has not exactly one of tarball_url and apt_package", e.Name)
	case checkVersion(e.KernelVersion) != nil:
		return bad("kernel_version", e.KernelVersion)
	case e.SizeBytes < 1 || e.SizeBytes > maxBundle:
		return fault.New(fault.Invalid, "kernel %s: its size of %s is not between 1 byte and %s", e.Name, fault.Bytes(e.SizeBytes), fault.Bytes(maxBundle))
	case e.AptPackage != "" && (e.Release == "" || !isWord(e.AptPackage, "+.-")):
		return bad("apt_package", e.AptPackage)
	case e.AptPackage != "":
		return nil
	case !catalog.ValidSHA256(e.TarballSHA256):
		return bad("tarball_sha256", e.TarballSHA256)
	}
	_, err := catalog.Resolve(from, e.TarballURL)
	return err
}

// isWord reports whether s is 1 to 63 lower-case letters, digits and signs, with
// a letter or a digit first.
func isWord(s, signs string) bool {
	if s == "" || len(s) > maxName || !isAlnum(s[0]) {
		return false
	}
	for _, c := range []byte(s) {
		if !isAlnum(c) && strings.IndexByte(signs, c) < 0 {
			return false
		}
	}
	return true
}

// Host is what decides which entries can be had here.
type Host struct {
	Architecture string // as GOARCH has it
	// Distro and Release are ID and VERSION_ID of os-release; empty: not known.
	Distro, Release string
}

// Needs says in words what the host lacks for e; empty: nothing.
func (h Host) Needs(e Entry) string {
	if e.AptPackage == "" || e.Distro == h.Distro && e.Release == h.Release {
		return ""
	}
	return e.Distro + " " + e.Release
}
