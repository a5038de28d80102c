package oci

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/internal/fault"
)

const (
	maxDepth     = 4  // of indexes in indexes
	maxDocuments = 32 // manifests and indexes that are read to find one image
)

// search finds the image for the wanted host, from a manifest or an index
// down.
type search struct {
	client *Client
	want   host
	origin origin
	read   int
}

// document reads on from a manifest or index, whose bytes are verified.
func (s *search) document(ctx context.Context, raw []byte, mediaType types.MediaType, depth int) (*content, error) {
	if !isIndex(raw, mediaType) {
		return s.fromImageManifest(ctx, raw, mediaType)
	}
	if depth >= maxDepth {
		return nil, fault.New(fault.Invalid, "the image's indexes are nested more than %d deep", maxDepth)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read the image's index")
	}
	found, err := s.choose(ctx, index.Manifests, depth+1)
	if err != nil {
		return nil, err
	}
	return found[0].content, nil
}

// candidate is an image that an index names.
type candidate struct {
	v1.Descriptor
	content *content
}

// choose returns the images for this host that ask least of it. There is at least
// one. A manifest that says its platform is believed; of the others the
// configuration is read. Below the top (depth 0), where names tell images apart,
// the first one counts: so says the image specification.
func (s *search) choose(ctx context.Context, manifests []v1.Descriptor, depth int) ([]candidate, error) {
	usable := distinct(manifests)
	if len(usable) == 0 {
		return nil, &unsuitable{fault: noImages(len(manifests))}
	}
	var out []candidate
	for _, d := range s.want.plainest(usable) {
		found, err := s.descend(ctx, d, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, candidate{d, found})
		if depth > 0 {
			return out, nil
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	return s.tryUnnamed(ctx, usable, depth)
}

// tryUnnamed looks into the manifests that do not say their platform.
func (s *search) tryUnnamed(ctx context.Context, manifests []v1.Descriptor, depth int) ([]candidate, error) {
	var out []candidate
	var others []string
	var last error
	for _, d := range manifests {
		if d.Platform != nil {
			others = append(others, platformText(*d.Platform))
			continue
		}
		found, err := s.descend(ctx, d, depth)
		if other, ok := errors.AsType[*unsuitable](err); ok {
			last = err
			if other.has != "" {
				others = append(others, other.has)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, candidate{d, found})
		if depth > 0 {
			break
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(others) > 0:
		return nil, s.want.foreign(others...)
	}
	return nil, last
}

func (s *search) descend(ctx context.Context, d v1.Descriptor, depth int) (*content, error) {
	if s.read++; s.read > maxDocuments {
		return nil, fault.New(fault.Invalid, "the image's indexes name more than %d manifests that do not say their platform", maxDocuments)
	}
	raw, err := readManifest(ctx, d, s.origin)
	if err != nil {
		return nil, err
	}
	return s.document(ctx, raw, d.MediaType, depth)
}

func readManifest(ctx context.Context, d v1.Descriptor, o origin) ([]byte, error) {
	if err := checkDescriptor(d, "manifest"); err != nil {
		return nil, err
	}
	what := "manifest " + short(d.Digest.String())
	if d.Size > maxManifestBytes {
		return nil, fault.New(fault.Invalid, "%s has %s; at most %s are read", what, fault.Bytes(d.Size), fault.Bytes(maxManifestBytes))
	}
	unverified, err := o.manifest(ctx, d)
	if err != nil {
		return nil, err
	}
	return readAll(bytes.NewReader(unverified), what, d.Digest.String(), d.Size, maxManifestBytes)
}

// distinct leaves out what is there twice, and what is no image: attestations.
func distinct(manifests []v1.Descriptor) []v1.Descriptor {
	var out []v1.Descriptor
	at := map[v1.Hash]int{}
	for _, d := range manifests {
		isUnknown := d.Platform != nil && d.Platform.OS == "unknown"
		if isUnknown || d.Annotations["vnd.docker.reference.type"] != "" {
			continue
		}
		if i, there := at[d.Digest]; !there {
			at[d.Digest] = len(out)
			out = append(out, d)
		} else if out[i].Platform == nil {
			out[i] = d
		}
	}
	return out
}

func noImages(of int) *fault.Error {
	if of == 0 {
		return fault.New(fault.Invalid, "the index names no images")
	}
	return fault.New(fault.Invalid, "the index names no images, only attestations of some")
}

// one returns the only candidate. That there are several is told by their names,
// or by their digests where these do not tell them apart.
func one(found []candidate, how string) (*content, error) {
	if len(found) == 1 {
		return found[0].content, nil
	}
	var names, digests []string
	for _, c := range found {
		names = append(names, fullName(c.Descriptor))
		digests = append(digests, c.Digest.String())
	}
	slices.Sort(names)
	if names[0] != "" && len(slices.Compact(slices.Clone(names))) == len(found) {
		return nil, several(names, how+":"+names[0])
	}
	return nil, several(digests, how+"@"+digests[0])
}

func several(names []string, hint string) error {
	return fault.New(fault.Invalid, "it has several images: %s", strings.Join(names, ", ")).WithHint("name one, as in %s", hint)
}
