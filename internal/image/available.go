package image

import (
	"context"
	"encoding/json"

	"github.com/bangervm/banger/internal/catalog"
)

// Catalogs reads the catalogs that the user has.
type Catalogs interface {
	// Load returns them, the built-in one first. Problems are said of those that
	// are left out, or that are a copy.
	Load(ctx context.Context) (all []catalog.Catalog, problems []error)
}

// UseCatalogs says where images are known by name, and the host's architecture as
// GOARCH has it, before the first call of any other method. Without it no catalog has
// an image.
func (s *Service) UseCatalogs(catalogs Catalogs, arch string) { s.catalogs, s.arch = catalogs, arch }

// Availability is how far a catalog's image is from being used here.
type Availability string

// The availabilities.
const (
	Pulled      Availability = "pulled"
	Taken       Availability = "taken" // by an image from elsewhere
	Available   Availability = "available"
	Unavailable Availability = "unavailable"
)

// Offer is an image of a catalog, for this host's architecture.
type Offer struct {
	Entry  Entry
	Origin catalog.Origin
	State  Availability
}

// Offers returns what the catalogs have for this host's architecture, in their
// order, and the problems that were met.
func (s *Service) Offers(ctx context.Context) ([]Offer, []error, error) {
	local, err := s.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	found, problems, err := s.entries(ctx)
	offers := make([]Offer, 0, len(found))
	for _, f := range found {
		o := Offer{Entry: f.Entry, Origin: f.Origin, State: Available}
		if f.Entry.Ref == "" {
			o.State = Unavailable
		}
		for _, i := range local {
			if i.Name != f.Entry.Name {
				continue
			}
			o.State = Taken
			if f.Entry.Ref == "" || i.Ref == f.Entry.reference() {
				o.State = Pulled
			}
		}
		offers = append(offers, o)
	}
	return offers, problems, err
}

func (s *Service) entries(ctx context.Context) (fit []catalog.Found[Entry], problems []error, err error) {
	if s.catalogs == nil {
		return nil, nil, nil
	}
	all, problems := s.catalogs.Load(ctx)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	found, bad := catalog.Merge[Entry](all, func(d catalog.Document) []json.RawMessage { return d.Images })
	for _, f := range found {
		if f.Entry.fits(s.arch) {
			fit = append(fit, f)
		}
	}
	return fit, append(problems, bad...), nil
}
