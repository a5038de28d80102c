package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/nearest"
)

// PullSource begins the Source of a kernel that was pulled.
const PullSource = "pull:"

// Catalogs reads the catalogs that the user has.
type Catalogs interface {
	// Load returns them, the built-in one first. Problems are said of those that
	// are left out, or that are a copy.
	Load(ctx context.Context) (all []catalog.Catalog, problems []error)
}

// Availability is how far a catalog's kernel is from being used here.
type Availability string

// The availabilities.
const (
	Pulled      Availability = "pulled"
	Imported    Availability = "imported" // its name is taken by a kernel that was imported
	Available   Availability = "available"
	Unavailable Availability = "unavailable"
)

// Offer is a kernel of a catalog, for this host's architecture.
type Offer struct {
	Entry  Entry
	Origin catalog.Origin
	State  Availability
	Needs  string   // what the host lacks; empty unless Unavailable
	Local  Manifest // when Pulled or Imported
}

// Offers returns what the catalogs have for this host's architecture, in their
// order, and the problems that were met.
func (s *Service) Offers(ctx context.Context) ([]Offer, []error, error) {
	local, err := s.d.Store.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	byName := map[string]Manifest{}
	for _, m := range local {
		byName[m.Name] = m
	}
	catalogs, problems := s.d.Catalogs.Load(ctx)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	found, bad := catalog.Merge[Entry](catalogs, func(d catalog.Document) []json.RawMessage { return d.Kernels })
	var offers []Offer
	for _, f := range found {
		if f.Entry.Arch != s.d.Architecture {
			continue
		}
		o := Offer{Entry: f.Entry, Origin: f.Origin, State: Available, Needs: s.host().Needs(f.Entry)}
		m, here := byName[f.Entry.Name]
		switch {
		case here && strings.HasPrefix(m.Source, PullSource):
			o.State, o.Local, o.Needs = Pulled, m, ""
		case here:
			o.State, o.Local, o.Needs = Imported, m, ""
		case o.Needs != "":
			o.State = Unavailable
		}
		offers = append(offers, o)
	}
	return offers, append(problems, bad...), nil
}

// offer returns the catalogs' kernel called name; empty: the first that can be
// had here. NotFound, with what went wrong with the catalogs.
func (s *Service) offer(ctx context.Context, name string) (Offer, error) {
	offers, problems, err := s.Offers(ctx)
	if err != nil {
		return Offer{}, err
	}
	var names []string
	for _, o := range offers {
		names = append(names, o.Entry.Name)
		if o.Entry.Name == name || name == "" && o.Needs == "" {
			return o, nil
		}
	}
	what := "no kernel " + name + ", local or in a catalog"
	if name == "" {
		what = "no local kernel, and no catalog has one for " + s.host().String()
	}
	missing := fault.New(fault.NotFound, "%s", what)
	if len(problems) > 0 {
		missing = fault.Wrap(fault.NotFound, errors.Join(problems...), "%s", what)
	}
	if name == "" {
		return Offer{}, missing.Try(act.KernelImport.On(""))
	}
	return Offer{}, missing.WithHint("%s", fault.Meant(nearest.Name(name, names), act.KernelList.Do(act.Available)))
}

// String names the host, for a message.
func (h Host) String() string {
	return strings.Join(strings.Fields(h.Distro+" "+h.Release+" on "+h.Architecture), " ")
}
