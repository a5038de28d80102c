package image

import (
	"context"
	"errors"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Obtain returns the image that Get finds, or pulls it when name is a registry
// reference that says so by a tag, a digest or a path: a bare word is only ever
// the name of an image that is here, so that a slip of the finger pulls nothing. Until
// ctx ends nothing but Delete removes the image.
func (s *Service) Obtain(ctx context.Context, name string, p operation.Progress) (Image, error) {
	m, err := s.hold(ctx, name)
	if !errors.Is(err, fault.NotFound) {
		return m, err
	}
	ref, refErr := ParseRef(name)
	if refErr != nil || ref.Kind != Registry || !strings.ContainsAny(name, ":/@") {
		return Image{}, err
	}
	if m, err = s.Pull(ctx, PullRequest{Ref: name}, p); err != nil {
		return Image{}, err
	}
	return s.hold(ctx, m.Name)
}
