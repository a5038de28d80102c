package oci

import (
	"io/fs"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// What an index.json calls an image: a tag, by the OCI image layout
// specification, and the whole name, as docker and containerd write it.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// locate tells the path in a reference from the name after it, where names have
// colons and paths may too: the longest path that is there counts, but what
// looks like a tag is one.
func locate(ref image.Ref, is func(fs.FileMode) bool) image.Ref {
	there := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && is(info.Mode())
	}
	if ref.Tag == "" || there(ref.Path) {
		return ref
	}
	whole := ref.Path + ":" + ref.Tag
	if there(whole) {
		ref.Path, ref.Tag = whole, ""
		return ref
	}
	for i := len(ref.Path) - 1; i > 0; i-- {
		if ref.Path[i] == ':' && there(ref.Path[:i]) {
			ref.Path, ref.Tag = whole[:i], whole[i+1:]
			return ref
		}
	}
	return ref
}

// named returns the manifests that the reference means: those with its digest,
// or its name, or, when it has neither, all of an index that holds one image.
func named(manifests []v1.Descriptor, ref image.Ref) ([]v1.Descriptor, error) {
	switch {
	case ref.Digest != "":
		return withDigest(manifests, ref.Digest)
	case ref.Tag != "":
		return withName(manifests, ref.Tag)
	}
	usable := distinct(manifests)
	var names []string
	for _, d := range usable {
		if name := fullName(d); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > 1 {
		return nil, several(names, string(ref.Kind)+":"+ref.Path+":"+names[0])
	}
	return manifests, nil
}

func withDigest(manifests []v1.Descriptor, digest string) ([]v1.Descriptor, error) {
	var digests []string
	for _, d := range manifests {
		if d.Digest.String() == digest {
			return []v1.Descriptor{d}, nil
		}
		digests = append(digests, d.Digest.String())
	}
	return nil, fault.New(fault.NotFound, "it has no image %s; it has: %s", digest, list(digests))
}

// withName goes by whole names before it goes by the ends of them.
func withName(manifests []v1.Descriptor, name string) ([]v1.Descriptor, error) {
	var exact, ends []v1.Descriptor
	var names []string
	for _, d := range manifests {
		tag, full := d.Annotations[refName], d.Annotations[containerdName]
		switch {
		case name == tag || name == full:
			exact = append(exact, d)
		case matches(tag, name) || matches(full, name):
			ends = append(ends, d)
		}
		if full := fullName(d); full != "" {
			names = append(names, full)
		}
	}
	switch {
	case len(exact) > 0:
		return exact, nil
	case len(ends) > 0:
		return ends, nil
	}
	return nil, fault.New(fault.NotFound, "it has no image %q; it has: %s", name, list(names))
}

// matches reports whether name is what people call the image of this full name:
// its end, from some part on, or its tag.
func matches(full, name string) bool {
	return full != "" && (strings.HasSuffix(full, "/"+name) || strings.HasSuffix(full, ":"+name))
}

func fullName(d v1.Descriptor) string {
	if full := d.Annotations[containerdName]; full != "" {
		return full
	}
	return d.Annotations[refName]
}

// list is some of the names, for a message.
func list(names []string) string {
	const most = 20
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "none with a name"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
