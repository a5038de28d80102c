package image

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// Platform is what an image is built for. Its zero value is this host.
type Platform struct {
	Architecture string // as GOARCH has it
	Variant      string // v7 of arm; empty: any
}

// String returns the platform as ParsePlatform reads it.
func (p Platform) String() string {
	if p.Variant != "" {
		return "linux/" + p.Architecture + "/" + p.Variant
	}
	return "linux/" + p.Architecture
}

// architectures are those that Linux images are built for.
func architectures() []string {
	return []string{"386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"}
}

var variants = regexp.MustCompile(`^v[0-9]{1,2}$`)

// ParsePlatform reads os/arch[/variant]. Empty is this host. What is no platform of
// Linux is a fault Invalid.
func ParsePlatform(s string) (Platform, error) {
	if s == "" {
		return Platform{}, nil
	}
	os, rest, _ := strings.Cut(s, "/")
	arch, variant, more := strings.Cut(rest, "/")
	p := Platform{NormalArchitecture(arch), variant}
	bad := func(why string) (Platform, error) {
		return Platform{}, fault.New(fault.Invalid, "%q is not a platform: %s", s, why).WithHint("use OS/ARCH or OS/ARCH/VARIANT, for example linux/arm64 or linux/arm/v7")
	}
	switch {
	case os != "linux":
		return bad("its system must be linux")
	case !slices.Contains(architectures(), p.Architecture):
		return bad("its architecture must be one of " + strings.Join(architectures(), ", "))
	case more && !variants.MatchString(variant):
		return bad("its variant must be v and a number")
	}
	return p, nil
}

// NormalArchitecture knows the names that uname(1) has for architectures.
func NormalArchitecture(arch string) string {
	switch strings.ToLower(arch) {
	case "x86_64", "x86-64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	}
	return arch
}

// platform is what the image was built for; the zero value: nobody said.
func (m Manifest) platform() Platform { return Platform{m.Architecture, m.Variant} }

// Bootable returns nil if a host of this architecture, as GOARCH has it, runs the
// image's programs, and else a fault Invalid.
func (m Manifest) Bootable(arch string) error {
	if m.platform().runsOn(arch) {
		return nil
	}
	return fault.New(fault.Invalid, "image %s is for %s, and this host is %s", m.Label(), m.platform(), Platform{Architecture: arch}).
		WithHint("pull the image for this host under another name: %s", act.ImagePull.On(m.pullable(), act.Name))
}

// Bootable is what Manifest.Bootable says of any image for p, as the user asked for it by
// this name.
func (p Platform) Bootable(name, arch string) error {
	if p.runsOn(arch) {
		return nil
	}
	return fault.New(fault.Invalid, "image %s for %s cannot start here: this host is %s", name, p, Platform{Architecture: arch}).
		WithHint("leave the platform out to get the image for this host")
}

// runsOn reports whether a host of this architecture runs programs for p.
func (p Platform) runsOn(arch string) bool { return p.Architecture == "" || p.Architecture == arch }

// Bootable is the image's Bootable on this host.
func (s *Service) Bootable(m Manifest) error { return m.Bootable(s.arch) }

// isFor returns a fault Conflict for an image of another variant than p wants.
func (m Manifest) isFor(p Platform) error {
	if p.Variant == "" || p == m.platform() {
		return nil
	}
	return fault.New(fault.Conflict, "the local image %s was not pulled for %s", m.Label(), p).
		WithHint("pull it again for that platform: %s", act.ImagePull.On(m.pullable(), act.Replace, act.Platform))
}

// pullable is a reference by which the image for another platform can be found: a
// digest is of one platform only.
func (m Manifest) pullable() string {
	ref, err := ParseRef(m.Source)
	if err != nil || ref.Tag == "" && ref.Digest != "" {
		return ""
	}
	ref.Digest = ""
	return ref.String()
}
