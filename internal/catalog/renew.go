package catalog

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// renew asks for the catalog of src, and replaces the copy by a newer one.
func (s *Service) renew(ctx context.Context, src Source, kept Copy) (Catalog, error) {
	r, err := s.fetch.Document(ctx, src.URL, kept.ETag, MaxBytes)
	if err != nil {
		return Catalog{}, fmt.Errorf("the catalog %s: %w", src.URL, err)
	}
	next := Copy{URL: src.URL, ETag: r.ETag, FetchedAt: s.now().UTC(), Data: r.Data}
	switch {
	case r.Unchanged:
		next.Data, next.Signature = kept.Data, kept.Signature
	case src.Key != "":
		sig, err := s.fetch.Document(ctx, src.SignatureURL(), "", MaxSignatureBytes)
		if err != nil {
			return Catalog{}, fmt.Errorf("the signature of the catalog %s: %w", src.URL, err)
		}
		next.Signature = sig.Data
	}
	c, err := open(src, next.Data, next.Signature)
	if err != nil {
		return Catalog{}, err
	}
	if err := checkExpiry(c, s.now()); err != nil {
		return Catalog{}, &Withheld{c.Document, err}
	}
	return c, s.replace(ctx, src, c, next)
}

// open verifies and reads a catalog.
func open(src Source, data, signature []byte) (Catalog, error) {
	trust, err := src.Verify(data, signature)
	if err != nil {
		return Catalog{}, err
	}
	doc, err := Parse(data)
	if err != nil {
		return Catalog{}, fmt.Errorf("%s: %w", src.URL, err)
	}
	return Catalog{Document: doc, Origin: Origin{URL: src.URL, Version: doc.Version, Trust: trust}}, nil
}

func checkExpiry(c Catalog, now time.Time) error {
	if c.Expires.IsZero() || now.Before(c.Expires) {
		return nil
	}
	return fault.New(fault.Unavailable, "the catalog %s expired on %s", c.Origin.URL, c.Expires.UTC().Format(time.DateOnly)).
		WithHint("ask its publisher for a new one, or check this host's clock")
}

// replace keeps next in the place of a copy that it may follow. The copy is read
// again: another load may have been quicker.
func (s *Service) replace(ctx context.Context, src Source, c Catalog, next Copy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.store.Get(ctx, src.ID())
	if ok {
		if old, err := open(src, kept.Data, kept.Signature); err == nil {
			if err := mayFollow(old, c, bytes.Equal(kept.Data, next.Data)); err != nil {
				return err
			}
		}
		if bytes.Equal(kept.Data, next.Data) && kept.ETag == next.ETag && kept.Refused == "" {
			return nil
		}
	}
	if err := s.store.Put(ctx, src.ID(), next); err != nil {
		return fmt.Errorf("keep a copy of the catalog %s: %w", src.URL, err)
	}
	return nil
}

// mayFollow refuses to go back, and two catalogs of one version.
func mayFollow(old, next Catalog, same bool) error {
	switch {
	case next.Version < old.Version:
		return fault.New(fault.Invalid, "the catalog %s went back from version %d to %d", next.Origin.URL, old.Version, next.Version).
			WithHint("someone on the network may be hiding a newer one; ask its publisher")
	case next.Version == old.Version && !same:
		return fault.New(fault.Invalid, "the catalog %s changed without a new version (%d)", next.Origin.URL, next.Version).
			WithHint("ask its publisher")
	}
	return nil
}

// maxRefused bounds what is kept of a failure, in bytes.
const maxRefused = 500

// refuse notes beside the copy of src why it was not renewed, for Examine. It only helps to
// find out: where it cannot, nothing is lost.
func (s *Service) refuse(ctx context.Context, src Source, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, _ := s.store.Get(ctx, src.ID())
	text := why.Error()
	text = strings.ToValidUTF8(text[:min(len(text), maxRefused)], "")
	if kept.Refused == text {
		return
	}
	kept.URL, kept.Refused, kept.RefusedAt = src.URL, text, s.now().UTC()
	_ = s.store.Put(ctx, src.ID(), kept)
}
