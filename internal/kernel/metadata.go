package kernel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/bangervm/banger/internal/fault"
)

// MetadataFile is the name of a file that says where in its directory the
// parts of a kernel are. It is a Metadata, of at most 64 KiB.
const MetadataFile = "metadata.json"

const maxMetadata = 64 << 10

// Metadata is the content of MetadataFile. Paths are relative to the file's
// directory, separated by slashes, without "." and "..".
type Metadata struct {
	Kernel string `json:"kernel"` // an ELF vmlinux, a bzImage, or an arm64 Image
	// Version is needed only where the kernel does not say it itself.
	Version string `json:"version,omitempty"`
	Initrd  string `json:"initrd,omitempty"`
	Modules string `json:"modules,omitempty"` // a directory as /lib/modules/<version> is
}

// ParseMetadata reads the content of MetadataFile. Unknown fields, and paths
// that could leave the directory, are Invalid.
func ParseMetadata(data []byte) (Metadata, error) {
	var m Metadata
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Metadata{}, fault.Wrap(fault.Invalid, err, "%s", MetadataFile)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Metadata{}, fault.New(fault.Invalid, "%s: there is more after its object", MetadataFile)
	}
	if m.Kernel == "" {
		return Metadata{}, fault.New(fault.Invalid, "%s names no kernel", MetadataFile).
			WithHint(`write it as {"kernel": "vmlinux", "modules": "lib/modules/6.1.0"}`)
	}
	for _, p := range []string{m.Kernel, m.Initrd, m.Modules} {
		if p != "" && (!fs.ValidPath(p) || p == ".") {
			return Metadata{}, fault.New(fault.Invalid, "%s: %q is not a relative path inside the directory", MetadataFile, p)
		}
	}
	return m, nil
}

func readMetadata(fsys fs.FS) (Metadata, bool, error) {
	f, err := fsys.Open(MetadataFile)
	if notFound(err) {
		return Metadata{}, false, nil
	}
	if err != nil {
		return Metadata{}, false, fmt.Errorf("open %s: %w", MetadataFile, err)
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err != nil {
		return Metadata{}, false, fmt.Errorf("read %s: %w", MetadataFile, err)
	}
	if len(data) > maxMetadata {
		return Metadata{}, false, fault.New(fault.Invalid, "%s is larger than %d bytes", MetadataFile, maxMetadata)
	}
	m, err := ParseMetadata(data)
	return m, err == nil, err
}

func fromMetadata(ctx context.Context, fsys fs.FS, exe Executables, m Metadata) (Layout, error) {
	for _, p := range []string{m.Kernel, m.Initrd} {
		if p != "" && !isFile(fsys, p) {
			return Layout{}, fault.New(fault.Invalid, "%s names %s, which is not a file in its directory", MetadataFile, p)
		}
	}
	if m.Modules != "" {
		if info, err := fs.Stat(fsys, m.Modules); err != nil || !info.IsDir() {
			return Layout{}, fault.New(fault.Invalid, "%s names %s, which is not a subdirectory of its directory", MetadataFile, m.Modules)
		}
	}
	bin, err := exe.Probe(ctx, fsys, m.Kernel)
	if err != nil {
		return Layout{}, fmt.Errorf("%s: %w", m.Kernel, err)
	}
	l := Layout{Binary: bin, Version: bin.Version, Image: m.Kernel, Initrd: m.Initrd, Modules: m.Modules}
	if l.Version == "" {
		l.Version = m.Version
	}
	if l.Version == "" && m.Modules != "" && looksLikeVersion(path.Base(m.Modules)) {
		l.Version = path.Base(m.Modules)
	}
	switch {
	case l.Version == "":
		return Layout{}, fault.New(fault.Invalid, "%s has no version", m.Kernel).WithHint(`give its modules too, in a directory with the version for its name; or add "version" to %s`, MetadataFile)
	case m.Version != "" && m.Version != l.Version:
		return Layout{}, fault.New(fault.Invalid, "%s says version %s, but %s is %s", MetadataFile, m.Version, m.Kernel, l.Version)
	}
	return l, checkVersion(l.Version)
}
