package gitvault

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/hostgit"
)

// CheckTreePath refuses a path that would leave a work tree or reach into a
// repository, on any filesystem that a patch may be applied on.
func CheckTreePath(path string) error {
	if path == "" || path[0] == '/' || strings.ContainsRune(path, 0) {
		return unsafePath(path, "it is not relative")
	}
	for component := range strings.SplitSeq(path, "/") {
		switch {
		case component == "" || component == ".":
			return unsafePath(path, "it is not clean")
		case component == "..":
			return unsafePath(path, "it leaves the tree")
		case isDotGit(component):
			return unsafePath(path, "it is inside a .git")
		}
	}
	return nil
}

func unsafePath(path, why string) error {
	return fault.New(fault.Invalid, "the path %s in the guest's work tree is refused: %s", hostgit.Printable(fmt.Sprintf("%q", path)), why).
		WithHint("rename or remove it in the guest")
}

// isDotGit reports whether a filesystem may take the name for .git: without
// regard to case; with characters that HFS+ ignores; and as NTFS does, with
// trailing dots and spaces, with a stream's name, by backslashes, or as the
// short names GIT~1 and so on.
func isDotGit(name string) bool {
	for part := range strings.SplitSeq(name, `\`) {
		plain := strings.Map(func(r rune) rune {
			if ignoredByHFS(r) {
				return -1
			}
			return unicode.ToLower(r)
		}, part)
		plain, _, _ = strings.Cut(plain, ":")
		plain = strings.TrimRight(plain, ". ")
		if plain == ".git" {
			return true
		}
		if number, ok := strings.CutPrefix(plain, "git~"); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			return true
		}
	}
	return false
}

// ignoredByHFS are the code points that HFS+ leaves out when it compares names.
func ignoredByHFS(r rune) bool {
	return r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff
}
