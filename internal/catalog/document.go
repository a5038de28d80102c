// Package catalog is what catalogs of kernels and images have in common: how one
// is read, what makes it trusted, which version of it may follow which, and how
// several make one list. Packages kernel and image know what an entry means.
package catalog

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Format numbers catalog.json. A newer one is refused.
const Format = 1

// The bounds of a catalog, in bytes and entries.
const (
	MaxBytes          = 1 << 20
	MaxSignatureBytes = 4 << 10
	maxEntries        = 2000
)

// Document is one catalog.json.
type Document struct {
	Format int `json:"format"`
	// Version grows with each publication. One that was seen may not be followed
	// by a lower one.
	Version int64 `json:"version"`
	// Expires is when the catalog must have been published again; zero: never.
	Expires time.Time `json:"expires,omitzero"`
	// Kernels and Images are entries as JSON: see Decode.
	Kernels []json.RawMessage `json:"kernels,omitempty"`
	Images  []json.RawMessage `json:"images,omitempty"`
}

// Parse reads a catalog.json. Fields that this build does not know are left out,
// so that a catalog can grow; a newer format is Invalid.
func Parse(data []byte) (Document, error) {
	if len(data) > MaxBytes {
		return Document{}, fault.New(fault.Invalid, "the catalog is larger than %s", fault.Bytes(MaxBytes))
	}
	var d Document
	if err := json.Unmarshal(data, &d); err != nil {
		return Document{}, fault.Wrap(fault.Invalid, err, "the catalog is not valid JSON")
	}
	switch {
	case d.Format > Format:
		return Document{}, fault.New(fault.Invalid, "the catalog has format %d; this banger knows formats up to %d", d.Format, Format).
			WithHint("upgrade banger")
	case d.Format < 1:
		return Document{}, fault.New(fault.Invalid, "the catalog's format %d is not valid", d.Format)
	case d.Version < 1:
		return Document{}, fault.New(fault.Invalid, "the catalog's version %d is not valid", d.Version).WithHint("versions begin at 1")
	case len(d.Kernels)+len(d.Images) > maxEntries:
		return Document{}, fault.New(fault.Invalid, "the catalog has %d entries; at most %d are allowed", len(d.Kernels)+len(d.Images), maxEntries)
	}
	return d, nil
}

// Entry is one kernel or image of a catalog.
type Entry interface {
	// Key is what it is told by; of two with one key the first counts.
	Key() string
	// Validate is Invalid when the entry breaks its own rules. from is the
	// catalog's URL, empty for the built-in one.
	Validate(from string) error
}

// Withheld is a problem of entries that cannot be used, and tells them.
type Withheld struct {
	Document // what of it is known

	Problem error
}

func (w *Withheld) Error() string { return w.Problem.Error() }
func (w *Withheld) Unwrap() error { return w.Problem }

// Found is an entry, and the catalog that it is from.
type Found[E Entry] struct {
	Entry  E
	Origin Origin
}

// Merge decodes the entries that section chooses of each catalog into one list.
// An earlier catalog's keys win, so that a later one replaces nothing. An entry
// that is not valid is left out, and a problem, which is Withheld, says so.
func Merge[E Entry](catalogs []Catalog, section func(Document) []json.RawMessage) (all []Found[E], problems []error) {
	taken := map[string]bool{}
	for _, c := range catalogs {
		for i, raw := range section(c.Document) {
			var e E
			err := json.Unmarshal(raw, &e)
			if err == nil {
				err = e.Validate(c.Origin.URL)
			}
			if err != nil {
				left := []json.RawMessage{raw} // whatever section chooses
				problems = append(problems, &Withheld{Document{Kernels: left, Images: left}, fmt.Errorf("%s: entry %d: %w", c.Origin, i+1, err)})
				continue
			}
			if !taken[e.Key()] {
				taken[e.Key()] = true
				all = append(all, Found[E]{Entry: e, Origin: c.Origin})
			}
		}
	}
	return all, problems
}
