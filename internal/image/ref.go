package image

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// Kind is where a reference points.
type Kind string

// The kinds. All but Registry are also the prefix by which they are written.
const (
	Registry      Kind = "registry"
	Layout        Kind = "oci"
	Archive       Kind = "oci-archive"
	DockerArchive Kind = "docker-archive"
	Tar           Kind = "tar"
)

// Stdin is the Path of a Tar reference whose bytes come with the request.
const Stdin = "-"

// maxRefLength is generous: a repository holds at most 255 bytes, a tag 128.
const maxRefLength = 4096

// Ref says where an image comes from. Its zero value points nowhere.
type Ref struct {
	Kind Kind
	// Repository is the reference without its tag and digest, as it was typed
	// (Registry only).
	Repository string
	// Tag is empty when none was given (all but Tar). Of an image's archive or
	// layout it may be the end of a whole name, whose beginning is in Path:
	// which part is a path, only the disk knows.
	Tag string
	// Digest is sha256:… when one was given (Registry, Layout, Archive).
	Digest string
	// Path is the directory or file, absolute or Stdin (all but Registry).
	Path string
	// Platform that the image must be built for. It is no part of the text.
	Platform Platform
}

// ParseRef parses a reference: debian:bookworm, ghcr.io/o/i@sha256:…, the same
// after docker://, oci:DIR[:NAME|@DIGEST], oci-archive:FILE[:NAME|@DIGEST],
// docker-archive:FILE[:NAME], tar:FILE or tar:-. Paths must be absolute. Anything
// else is a fault Invalid.
func ParseRef(s string) (Ref, error) {
	if s == "" || len(s) > maxRefLength || strings.ContainsAny(s, "\x00\n\r\t ") && !hasPathKind(s) {
		return Ref{}, invalidRef(s, "it is empty, too long, or contains white space")
	}
	prefix, rest, found := strings.Cut(s, ":")
	kind := Kind(prefix)
	if !found || !isPathKind(kind) {
		return parseElsewhere(s)
	}
	ref := Ref{Kind: kind, Path: rest}
	if kind != Tar {
		ref.split()
	}
	if kind == Layout && ref.Tag != "" && !validTag(ref.Tag) {
		return Ref{}, invalidRef(s, "the tag "+quote(ref.Tag)+" is not valid")
	}
	if kind == Tar && rest == Stdin {
		return ref, nil
	}
	if strings.ContainsRune(ref.Path, 0) || !filepath.IsAbs(ref.Path) {
		return Ref{}, invalidRef(s, "the path after "+quote(prefix+":")+" must be absolute")
	}
	ref.Path = filepath.Clean(ref.Path)
	return ref, nil
}

// String returns the reference as ParseRef reads it.
func (r Ref) String() string {
	s := r.Path
	if r.Kind == Registry {
		s = r.Repository
	} else {
		s = string(r.Kind) + ":" + s
	}
	if r.Tag == "" && r.Digest == "" && r.endsLikeName() {
		return s + "/"
	}
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// endsLikeName reports a path whose end would be read as a tag or digest.
func (r Ref) endsLikeName() bool {
	bare := Ref{Kind: r.Kind, Path: r.Path}
	if r.Kind == Layout || r.Kind == Archive || r.Kind == DockerArchive {
		bare.split()
	}
	return bare.Path != r.Path
}

// DefaultName returns the name that an image gets unless the user gives one:
// the last part of the reference, with its tag unless that is "latest". It is a
// fault Invalid when nothing usable is left.
func (r Ref) DefaultName() (string, error) {
	stem := r.Repository
	switch r.Kind {
	case Tar, Archive, DockerArchive:
		stem = strings.TrimSuffix(r.Path, compressedSuffix(r.Path))
		stem = strings.TrimSuffix(stem, ".tar")
	case Layout:
		stem = r.Path
	case Registry:
	}
	name := sanitizeName(stem[strings.LastIndexByte(stem, '/')+1:])
	switch {
	case r.Tag != "" && r.Tag != "latest":
		name += "-" + sanitizeName(r.Tag)
	case r.Tag == "" && r.Digest != "":
		name += "-" + strings.TrimPrefix(r.Digest, "sha256:")[:12]
	}
	if len(name) > maxNameLength {
		name = strings.TrimRight(name[:maxNameLength], "-._")
	}
	if err := ValidateName(name); err != nil || r.Path == Stdin {
		return "", fault.New(fault.Invalid, "cannot make an image name from %q", r.String()).Try(act.ImagePull.On(r.String(), act.Name))
	}
	return name, nil
}

func compressedSuffix(path string) string {
	for _, suffix := range []string{".gz", ".zst", ".tgz"} {
		if strings.HasSuffix(path, suffix) {
			return suffix
		}
	}
	return ""
}

func isPathKind(k Kind) bool {
	return k == Layout || k == Archive || k == DockerArchive || k == Tar
}

func hasPathKind(s string) bool {
	prefix, _, _ := strings.Cut(s, ":")
	return isPathKind(Kind(prefix))
}

// split cuts what names one of several images off the path: a digest, or what
// follows the last colon, unless there is a slash in it. An archive's name often
// has its own colon, so that only a tag is taken there.
func (r *Ref) split() {
	if at := strings.LastIndexByte(r.Path, '@'); at >= 0 && r.Kind != DockerArchive && ValidDigest(r.Path[at+1:]) {
		r.Path, r.Digest = r.Path[:at], r.Path[at+1:]
		return
	}
	i := strings.LastIndexByte(r.Path, ':')
	if i < 0 || strings.ContainsRune(r.Path[i:], '/') || r.Kind != Layout && !validTag(r.Path[i+1:]) {
		return
	}
	r.Path, r.Tag = r.Path[:i], r.Path[i+1:]
}

// parseElsewhere parses what does not begin with a kind of ours.
func parseElsewhere(s string) (Ref, error) {
	if isPath(s) {
		return Ref{}, invalidRefHint(s, "it is a path", "for a root filesystem tar:"+s+", or docker-archive:, oci-archive: or oci: before it")
	}
	rest, isDocker := strings.CutPrefix(s, "docker://")
	ref, err := parseRegistryRef(rest)
	kind, _, tagged := strings.Cut(s, ":")
	if isDocker || err == nil && (!tagged || !isElsewhere(kind)) {
		return ref, err
	}
	switch kind {
	case "docker-daemon", "docker":
		return Ref{}, invalidRefHint(s, "banger does not read Docker's own images", "docker save -o FILE IMAGE, then docker-archive:FILE")
	case "containers-storage":
		return Ref{}, invalidRefHint(s, "banger does not read Podman's own images", "podman save --format oci-archive -o FILE IMAGE, then oci-archive:FILE")
	case "dir", "ostree", "sif", "tarball", "docker-dir", "file":
		return Ref{}, invalidRefHint(s, "banger does not read "+quote(kind+":"), forms)
	case "http", "https":
		return Ref{}, invalidRefHint(s, "it is a URL", "leave out "+kind+"://, for an image of a registry")
	}
	return Ref{}, err
}

// isElsewhere reports the kinds of other tools that read like a repository with a
// tag, but are the names of none.
func isElsewhere(kind string) bool {
	return slices.Contains([]string{"docker-daemon", "containers-storage", "docker-dir", "ostree"}, kind)
}

// isPath reports whether s is written as a path, as no reference is.
func isPath(s string) bool {
	first, _, _ := strings.Cut(s, "/")
	return first == "" || first == "." || first == ".." || first == "~"
}

// forms are the ways to write a reference.
const forms = "for example debian:bookworm, ghcr.io/owner/image@sha256:…, oci:/dir:tag, oci-archive:/file, docker-archive:/file, tar:/file"

func invalidRef(s, why string) error { return invalidRefHint(s, why, forms) }

func invalidRefHint(s, why, hint string) error {
	return fault.New(fault.Invalid, "%q is not an image reference: %s", plain.Value(s), why).WithHint("%s", hint)
}

func quote(s string) string { return "\"" + s + "\"" }
