package oci

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/cpu"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// host is what images must be built for: this host, or what the user asked for.
type host struct {
	arch string
	// level is of the x86-64 levels v1 to v4 the highest that the CPU has. It counts
	// for that architecture only.
	level int
	// asked is what the user asked for; the zero value: nothing.
	asked image.Platform
}

func (h host) String() string {
	if h.asked != (image.Platform{}) {
		return h.asked.String()
	}
	return "linux/" + h.arch
}

// aimed is what images must be built for if the user asks for the platform. For the
// host's own architecture its CPU still counts.
func (h host) aimed(p image.Platform) host {
	if p == (image.Platform{}) || p == (image.Platform{Architecture: h.arch}) {
		return h
	}
	return host{arch: p.Architecture, level: h.levelOf(p.Architecture), asked: p}
}

// levelOf trusts other hosts with every level.
func (h host) levelOf(arch string) int {
	if arch == h.arch {
		return h.level
	}
	return 4
}

// cpuLevel goes by the instructions that set a level apart.
func cpuLevel() int {
	x := cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL:
		return 4
	case x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA:
		return 3
	case x.HasSSE42 && x.HasSSSE3 && x.HasPOPCNT:
		return 2
	}
	return 1
}

// plainVariant is meant where an image names none.
func plainVariant(arch string) string {
	return map[string]string{"amd64": "v1", "arm": "v7", "arm64": "v8"}[arch]
}

// runs reports whether the host runs what is built for the platform, and how far
// above the plainest that is. What the platform does not say is taken for the
// host's own.
func (h host) runs(p v1.Platform) (above int, ok bool) {
	if cmp.Or(p.OS, "linux") != "linux" || cmp.Or(image.NormalArchitecture(p.Architecture), h.arch) != h.arch || len(p.OSFeatures) > 0 {
		return 0, false
	}
	if want := h.asked.Variant; want != "" && want != cmp.Or(p.Variant, plainVariant(h.arch)) {
		return 0, false
	}
	if h.arch != "amd64" {
		return 0, true
	}
	level := 1
	if p.Variant != "" {
		var err error
		if level, err = strconv.Atoi(strings.TrimPrefix(p.Variant, "v")); err != nil {
			return 0, false
		}
	}
	return level - 1, level <= h.level
}

// plainest returns those manifests that the host runs and that ask least of its
// CPU: a VM of the image may be started by emulation as well.
func (h host) plainest(manifests []v1.Descriptor) []v1.Descriptor {
	var best []v1.Descriptor
	least := 0
	for _, d := range manifests {
		if d.Platform == nil {
			continue
		}
		above, ok := h.runs(*d.Platform)
		if !ok || len(best) > 0 && above > least {
			continue
		}
		if above < least {
			best = nil
		}
		best, least = append(best, d), above
	}
	return best
}

// unsuitable is an image that is not for this host, or a document that is not an image.
type unsuitable struct {
	fault *fault.Error
	has   string // the platform; empty: it is no image
}

func (e *unsuitable) Error() string { return e.fault.Error() }
func (e *unsuitable) Unwrap() error { return e.fault }

// foreign is the error of images that are for none but these platforms.
func (h host) foreign(has ...string) error {
	slices.Sort(has)
	list := strings.Join(slices.Compact(has), ", ")
	if h.asked != (image.Platform{}) {
		return &unsuitable{has: list, fault: fault.New(fault.Invalid, "the image is for %s, and %s was asked for%s", list, h, h.atMost())}
	}
	return &unsuitable{has: list, fault: fault.New(fault.Invalid, "the image is for %s, and this host is %s%s", list, h, h.levelFor(list)).
		WithHint("use an image that is built for %s", h)}
}

// atMost tells why a variant that the image has is refused.
func (h host) atMost() string {
	if level, err := strconv.Atoi(strings.TrimPrefix(h.asked.Variant, "v")); err != nil || h.arch != "amd64" || level <= h.level {
		return ""
	}
	return "; this host's CPU runs amd64 up to v" + strconv.Itoa(h.level)
}

// levelFor tells the CPU's level where that is what counts.
func (h host) levelFor(has string) string {
	if h.arch == "amd64" && strings.Contains(has, h.String()+"/v") {
		return "/v" + strconv.Itoa(h.level)
	}
	return ""
}

func platformText(p v1.Platform) string {
	text := cmp.Or(p.OS, "linux") + "/" + cmp.Or(p.Architecture, "?")
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}
