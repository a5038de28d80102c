package firecracker

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// version is a version of Firecracker. A development version counts as the release
// that it comes before.
type version struct{ major, minor, patch int }

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

func (v version) before(w version) bool {
	return cmp.Or(cmp.Compare(v.major, w.major), cmp.Compare(v.minor, w.minor), cmp.Compare(v.patch, w.patch)) < 0
}

var versionText = regexp.MustCompile(`(?:^|\s)v?([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})(?:[-+\s]|$)`)

// programVersion reads the answer to --version, of a program that says that it is Firecracker:
// "Firecracker v1.16.1".
func programVersion(answer string) (version, bool) {
	text, ok := strings.CutPrefix(answer, "Firecracker v")
	if !ok {
		return version{}, false
	}
	line, _, _ := strings.Cut(text, "\n")
	number, _, _ := strings.Cut(line, " ")
	return parseVersion(number)
}

// parseVersion reads the answer to GET /version.
func parseVersion(text string) (version, bool) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return version{}, false
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // four digits are always a number
	}
	return version{n[0], n[1], n[2]}, true
}

// The minor versions that banger is tested with. Firecracker's makers support the last
// two of their releases.
func oldest() version { return version{1, 15, 0} }
func newest() version { return version{1, 16, 0} }

// fieldsSince are the fields of bodies that not all supported versions know, by
// "RESOURCE FIELD", and the first version that does.
func fieldsSince() map[string]version {
	return map[string]version{"network-interfaces mtu": {1, 16, 0}}
}

// resumeLosesVsock says that after a pause and resume by the API this version delivers
// nothing any more to the guest by vsock: it waits for the guest to acknowledge a
// reset that it never sent. Version 1.17 has the fix.
func (v version) resumeLosesVsock() bool {
	return !v.before(version{1, 16, 0}) && v.before(version{1, 17, 0})
}
