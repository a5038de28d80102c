package image

import "strings"

// Origin is how an image came to be, and so what its Source is.
type Origin string

// The origins of images.
const (
	FromReference Origin = "reference" // pulled: a reference that ParseRef reads
	FromFile      Origin = "file"      // registered, promoted or not: the path of the user's file
	FromVM        Origin = "vm"        // committed: vmScheme and the name of a VM, which leads nowhere
	// Untold is FromVM, or FromReference of a registry's image called vm: an older build
	// did not say. A registry that has the digest tells.
	Untold Origin = ""
)

// vmScheme begins the Source of an image FromVM.
const vmScheme = "vm:"

// originOf is the origin that a manifest of an earlier build does not tell, as far as the
// rest of it does.
func originOf(source string, registered, committed bool) Origin {
	switch {
	case registered || strings.HasPrefix(source, "/"):
		return FromFile
	case committed:
		return FromVM
	case strings.HasPrefix(source, vmScheme):
		return Untold
	default:
		return FromReference
	}
}

// vmOf is the VM that an image FromVM was made of.
func vmOf(source string) string { return strings.TrimPrefix(source, vmScheme) }
