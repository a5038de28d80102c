package image

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Obtain returns the image that Get finds, or pulls it when a catalog has it by this
// name, or when the name is a registry reference that says so by a tag, a digest or a
// path. Any other bare word is only ever the name of an image that is here, so that a
// slip of the finger pulls nothing. The platform is that of a PullRequest; Conflict if
// a local image is for another variant. Until ctx ends nothing but Delete removes the image.
func (s *Service) Obtain(ctx context.Context, name, platform string, p operation.Progress) (Image, error) {
	want, err := ParsePlatform(platform)
	if err != nil {
		return Image{}, err
	}
	m, missing := s.hold(ctx, name)
	if missing == nil {
		return s.recall(ctx, m), m.isFor(want)
	}
	if !errors.Is(missing, fault.NotFound) {
		return Image{}, missing
	}
	ref, err := ParseRef(name)
	switch {
	case err != nil:
		return Image{}, missing
	case ref.Kind != Registry:
		return Image{}, obtainable(missing, ref)
	}
	req, found, absent, err := s.fromCatalog(ctx, PullRequest{Ref: name, Platform: platform}, p)
	switch {
	case err != nil:
		return Image{}, err
	case bare(name) && !found && absent.problems != nil:
		return Image{}, fault.Wrap(fault.NotFound, absent.problems, "no image named %q, here or in a catalog", name).
			WithHint("%s", fault.Meant(absent.near, act.ImageList.Do(act.Available)))
	case bare(name) && !found:
		if absent.near != "" {
			missing = fault.Wrap(fault.NotFound, missing, "").WithHint("%s", fault.Meant(absent.near, act.ImageList.Do(act.Available)))
		}
		return Image{}, obtainable(missing, ref)
	}
	if m, err = s.pull(ctx, req, p); err != nil {
		return Image{}, err
	}
	return s.hold(ctx, m.Name)
}

// obtainable adds to the error that no image has a name how to get it by that reference.
func obtainable(missing error, ref Ref) error {
	return fault.Wrap(fault.NotFound, missing, "").WithHint("%s; to get it: %s", fault.HintOf(missing), act.ImagePull.On(ref.String()))
}
