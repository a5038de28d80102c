package flatten_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/log"
)

// refused stands for layers that are not taken.
const refused = "refused"

// difference is layers of which the merge and containerd's archive.Apply do not make
// the same, on purpose.
type difference struct {
	name, why         string
	layers            []layer
	show              func(snapshot) string
	containerd, merge string // "now": the moment of unpacking
}

// names shows only what there is.
func names(s snapshot) string { return strings.Join(slices.Sorted(maps.Keys(s)), " ") }

// of shows one item's time, group and the names of its attributes.
func of(name string) func(snapshot) string {
	return func(s snapshot) string {
		i, found := s[name]
		when := fmt.Sprint(i.Time.Unix())
		if time.Since(i.Time).Abs() < time.Hour {
			when = "now"
		}
		if !found {
			return "none"
		}
		var keys []string
		for _, x := range i.Xattrs {
			key, _, _ := strings.Cut(x, "=")
			keys = append(keys, key)
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s group %d %s", i.Kind, when, i.Gid, strings.Join(keys, ",")))
	}
}

// Values that the kernel takes: a version 2 capability, and an ACL that names a user.
const (
	capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	acl        = "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\xe8\x03\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff" +
		"\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff"
)

func differences() []difference {
	grouped := dir("d").at(time.Unix(1, 0))
	grouped.Mode, grouped.Gid = 0o2755, 5
	old := time.Unix(7, 0)
	return []difference{
		{
			"a directory that no entry names", "an image gives the same disk whenever it is pulled",
			[]layer{{reg("d/f", "x").at(old)}},
			of("d"), "d now group 0", "d 7 group 0",
		},
		{
			"a directory into which a layer above puts a file", "as before; what an overlay of the layers shows is the layer's own directory, whose time is not the author's either",
			[]layer{{dir("d").at(old)}, {reg("d/f", "x").at(time.Unix(9, 0))}},
			of("d"), "d now group 0", "d 7 group 0",
		},
		{
			"a name that was a directory earlier in the layer", "containerd dates directories at the end, by name: the file gets the time of what it replaced",
			[]layer{{dir("d").at(old), reg("d", "x").at(time.Unix(9, 0))}},
			of("d"), "f 7 group 0", "f 9 group 0",
		},
		{
			"a time that no kernel's 64 bits of nanoseconds hold", "containerd's is 1970; ext4 has it",
			[]layer{{reg("f", "").at(time.Unix(1<<34-1<<32, 0))}},
			of("f"), "f 0 group 0", "f 12884901888 group 0",
		},
		{
			"a directory that no entry names, below one with set-group-ID", "the kernel of the host that unpacks gives the group on; no layer says so",
			[]layer{{grouped, reg("d/e/f", "x").at(old)}},
			of("d/e"), "d now group 5", "d 7 group 0",
		},
		{
			"a directory described again", "an overlay of the layers shows the attributes of the upper one alone",
			[]layer{{dir("d").at(old).with("user.low", "1")}, {dir("d").at(old).with("user.up", "2")}},
			of("d"), "d 7 group 0 user.low,user.up", "d 7 group 0 user.up",
		},
		{
			"a hard link's header without the file's capability", "the host's kernel takes capabilities away at a change of owner, even to the same",
			[]layer{{reg("f", "").at(old).with("security.capability", capability), hard("g", "f").at(old)}},
			of("f"), "f 7 group 0", "f 7 group 0 security.capability",
		},
		{
			"an attribute beside user and security", "ext4 is not given ACLs, which a host's kernel would refuse or rewrite",
			[]layer{{reg("f", "").at(old).with("system.posix_acl_access", acl)}},
			of("f"), "f 7 group 0 system.posix_acl_access", "f 7 group 0",
		},
		{
			"a whiteout below a file", "there is nothing to hide: others build such images",
			[]layer{{reg("a", "1")}, {reg("a/.wh.b", "")}},
			names, refused, "a",
		},
		{
			"a file that was archived twice, as a hard link to itself", "containerd removes it before it links it; GNU tar makes such archives",
			[]layer{{reg("a", "x"), hard("a", "a")}},
			names, refused, "a",
		},
		{
			"a sparse file of GNU tar's own format", "docker save has them of images that old tools built",
			[]layer{{special('S', "s", 0, 0)}},
			names, refused, "s",
		},
		{
			"a label of the archive", "it is no file",
			[]layer{{special('V', "label", 0, 0)}},
			names, refused, "",
		},
	}
}

// TestDiffersFromContainerd holds both sides to what is said of them, so that a
// difference that goes away is noticed. containerd unpacks all layers into one directory
// here, and ignores an entry for the root, whose mode and owner the merge takes.
func TestDiffersFromContainerd(t *testing.T) {
	needRoot(t)
	if err := log.SetLevel("error"); err != nil {
		t.Fatal(err)
	}
	for _, d := range differences() {
		t.Run(d.name, func(t *testing.T) {
			raw := encode(t, d.layers)
			containerd, merged := refused, refused
			root := filepath.Join(t.TempDir(), "root")
			if err := os.Mkdir(root, 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := oracle(t.Context(), root, raw); err == nil {
				snap, err := readDir(root)
				if err != nil {
					t.Fatal(err)
				}
				containerd = d.show(snap)
			}
			var out bytes.Buffer
			if err := merge(t.Context(), raw, &out); err == nil {
				snap, err := readTar(&out)
				if err != nil {
					t.Fatal(err)
				}
				merged = d.show(snap)
			}
			if containerd != d.containerd || merged != d.merge {
				t.Errorf("containerd makes %q, the merge %q; want %q and %q (%s)", containerd, merged, d.containerd, d.merge, d.why)
			}
		})
	}
}
