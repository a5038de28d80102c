package oci

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/regularfile"
)

// maxArchiveFiles bounds the members of an archive, maxArchiveName the bytes of
// a name; a tar's header could have a MiB.
const (
	maxArchiveFiles = 100_000
	maxArchiveName  = 4096
)

// store is named files that can be read at any place: a directory, or a tar.
type store interface {
	// section returns the file, or an error that is fs.ErrNotExist.
	section(name string) (*io.SectionReader, error)
	Close() error
}

// archive is a tar's members, found by one pass over its headers.
type archive struct {
	io.Closer
	members map[string]*io.SectionReader
	aliases map[string]string
}

func openArchiveFile(ctx context.Context, file string) (*archive, error) {
	f, _, err := regularfile.Open(file)
	if err != nil {
		return nil, err
	}
	a, err := readArchive(ctx, f, file)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a.Closer = f
	return a, nil
}

// seekable is a file, or one in memory.
type seekable interface {
	io.ReadSeeker
	io.ReaderAt
}

// readArchive finds the members of a tar. The name is for messages.
func readArchive(ctx context.Context, f seekable, name string) (*archive, error) {
	a := &archive{members: map[string]*io.SectionReader{}, aliases: map[string]string{}}
	tr := tar.NewReader(f) // seeks over contents
	for count := 0; ; count++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "%s is not a tar archive", name).
				WithHint("if it is compressed, decompress it first")
		}
		if count >= maxArchiveFiles {
			return nil, fault.New(fault.Invalid, "%s has more than %d members", name, maxArchiveFiles)
		}
		if len(hdr.Name) > maxArchiveName || len(hdr.Linkname) > maxArchiveName {
			continue // nothing that an image names
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		a.add(f, at, hdr)
	}
}

// add keeps of a header what is looked for, and nothing that refers to the rest.
func (a *archive) add(f io.ReaderAt, at int64, hdr *tar.Header) {
	name := strings.Clone(path.Clean("/" + hdr.Name)[1:])
	switch hdr.Typeflag {
	case tar.TypeReg:
		a.members[name] = io.NewSectionReader(f, at, hdr.Size)
	case tar.TypeSymlink: // docker save links layers that occur twice
		a.aliases[name] = path.Clean("/" + path.Join(path.Dir(name), hdr.Linkname))[1:]
	case tar.TypeLink:
		a.aliases[name] = path.Clean("/" + hdr.Linkname)[1:]
	}
}

func (a *archive) section(name string) (*io.SectionReader, error) {
	if target, ok := a.aliases[name]; ok {
		name = target
	}
	if s, ok := a.members[name]; ok {
		return io.NewSectionReader(s, 0, s.Size()), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// openDockerArchive reads what docker save writes.
func (c *Client) openDockerArchive(ctx context.Context, ref image.Ref) (image.Content, error) {
	ref = locate(ref, fs.FileMode.IsRegular)
	a, err := openArchiveFile(ctx, ref.Path)
	if err != nil {
		return nil, err
	}
	out, err := c.fromDockerArchive(a, ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, errors.Join(err, a.Close()))
	}
	out.source = a
	return out, nil
}

// dockerImage is one image in a docker archive's manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (c *Client) fromDockerArchive(a *archive, ref image.Ref) (*content, error) {
	saved, err := readDockerManifest(a, ref)
	if err != nil {
		return nil, err
	}
	rawConfig, err := readMember(a, saved.Config, "a docker archive", maxConfigBytes)
	if err != nil {
		return nil, err
	}
	config, err := parseConfig(rawConfig)
	if err != nil {
		return nil, err
	}
	out, err := c.newContent(c.host.aimed(ref.Platform), digestOf(rawConfig), config, len(saved.Layers))
	if err != nil {
		return nil, err
	}
	for i, name := range saved.Layers {
		section, err := a.section(path.Clean("/" + name)[1:])
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "layer %d is missing", i+1)
		}
		out.layers = append(out.layers, layer{
			what: fmt.Sprintf("layer %d of %d (%s)", i+1, len(saved.Layers), name),
			size: section.Size(), diffID: config.RootFS.DiffIDs[i].String(), local: section,
			open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(section, 0, section.Size())), nil
			},
		})
	}
	return out, nil
}

// readDockerManifest finds the image that the reference names, or the only one.
func readDockerManifest(a *archive, ref image.Ref) (dockerImage, error) {
	raw, err := readMember(a, "manifest.json", "a docker archive", maxManifestBytes)
	if err != nil {
		return dockerImage{}, err
	}
	var all, fitting []dockerImage
	if err := json.Unmarshal(raw, &all); err != nil {
		return dockerImage{}, fault.Wrap(fault.Invalid, err, "cannot read manifest.json")
	}
	var names []string
	for _, saved := range all {
		names = append(names, saved.RepoTags...)
		fits := func(tag string) bool {
			return tag == ref.Tag || matches("docker.io/library/"+tag, ref.Tag) || matches(ref.Tag, tag)
		}
		if ref.Tag == "" || slices.ContainsFunc(saved.RepoTags, fits) {
			fitting = append(fitting, saved)
		}
	}
	switch {
	case len(fitting) == 0 && ref.Tag != "":
		return dockerImage{}, fault.New(fault.NotFound, "it has no image %q; it has: %s", ref.Tag, list(names))
	case len(fitting) > 1 && len(names) > 0:
		return dockerImage{}, several([]string{list(names)}, string(ref.Kind)+":"+ref.Path+":"+names[0])
	case len(fitting) != 1:
		return dockerImage{}, fault.New(fault.Invalid, "the archive holds %d images, not one", len(fitting)).
			WithHint("save one image: docker save -o FILE IMAGE")
	case len(fitting[0].Layers) > maxLayers:
		return dockerImage{}, fault.New(fault.Invalid, "the image has %d layers; at most %d are read", len(fitting[0].Layers), maxLayers)
	}
	return fitting[0], nil
}

func readMember(s store, name, kind string, limit int64) ([]byte, error) {
	section, err := s.section(path.Clean("/" + name)[1:])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Invalid, "it is not %s: it has no %s", kind, name)
	}
	if err != nil {
		return nil, err
	}
	return readAll(section, name, "", section.Size(), limit)
}

// openArchive reads an OCI layout in a tar.
func (c *Client) openArchive(ctx context.Context, ref image.Ref) (image.Content, error) {
	ref = locate(ref, fs.FileMode.IsRegular)
	a, err := openArchiveFile(ctx, ref.Path)
	if err != nil {
		return nil, err
	}
	return c.fromLayout(ctx, ref, a)
}
