package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// fetchLimit bounds the time in which one catalog must be here.
const fetchLimit = 20 * time.Second

// Origin says which catalog something is from, and why that is trusted.
type Origin struct {
	URL     string // empty: built in
	Version int64
	Trust   string // in words
}

// String names the catalog.
func (o Origin) String() string {
	if o.URL == "" {
		return "the catalog built into banger"
	}
	return "the catalog " + o.URL
}

// Chain is what an entry of the catalog is trusted by, in words.
func (o Origin) Chain() string {
	return fmt.Sprintf("%s, version %s: %s", o, strconv.FormatInt(o.Version, 10), o.Trust)
}

// Catalog is a Document whose origin is known and verified.
type Catalog struct {
	Document
	Origin Origin
}

// Response is what a URL answered.
type Response struct {
	Data      []byte
	ETag      string
	Unchanged bool // the one with the ETag that was sent still holds
}

// Fetcher fetches small documents.
type Fetcher interface {
	// Document fetches an https: or file: URL, of at most limit bytes. etag may
	// be empty. NotFound, Unavailable, Invalid.
	Document(ctx context.Context, url, etag string, limit int64) (Response, error)
}

// Copy is the last good copy of a catalog.
type Copy struct {
	URL       string    `json:"url"`
	ETag      string    `json:"etag,omitempty"`
	FetchedAt time.Time `json:"fetched_at"`
	Data      []byte    `json:"data"`
	Signature []byte    `json:"signature,omitempty"`
	// Refused is why the last try to renew it failed, and RefusedAt when that began to fail so.
	// Empty: it did not. Without a good copy there may be nothing else here.
	Refused   string    `json:"refused,omitempty"`
	RefusedAt time.Time `json:"refused_at,omitzero"`
}

// Store keeps the copies, by Source.ID.
type Store interface {
	// Get returns ok false when there is none, or it cannot be read.
	Get(ctx context.Context, id string) (c Copy, ok bool)
	Put(ctx context.Context, id string, c Copy) error
}

// Service reads catalogs. It is safe for concurrent use.
type Service struct {
	builtin Catalog
	fetch   Fetcher
	store   Store
	now     func() time.Time

	mu sync.Mutex // held while a copy is compared and replaced
}

// New returns a Service. builtin is the catalog.json of this build.
func New(builtin []byte, fetch Fetcher, store Store, now func() time.Time) (*Service, error) {
	doc, err := Parse(builtin)
	if err != nil {
		return nil, fmt.Errorf("the built-in catalog: %w", err)
	}
	origin := Origin{Version: doc.Version, Trust: "part of this program"}
	return &Service{builtin: Catalog{Document: doc, Origin: origin}, fetch: fetch, store: store, now: now}, nil
}

// Load returns the built-in catalog and, in their order, those of sources, each
// asked for again. Where that fails, the last good copy counts as long as it has
// not expired. A problem is said for each source that is left out or old, Withheld where it
// has expired; the built-in catalog is always there.
func (s *Service) Load(ctx context.Context, sources []Source) (all []Catalog, problems []error) {
	type outcome struct {
		catalog Catalog
		ok      bool
		problem error
	}
	outcomes := make([]outcome, len(sources))
	var wg sync.WaitGroup
	for i, src := range sources {
		wg.Go(func() {
			o := &outcomes[i]
			o.catalog, o.ok, o.problem = s.load(ctx, src)
		})
	}
	wg.Wait()
	all = append(all, s.builtin)
	for _, o := range outcomes {
		if o.ok {
			all = append(all, o.catalog)
		}
		if o.problem != nil {
			problems = append(problems, o.problem)
		}
	}
	return all, problems
}

// load returns the newest catalog of src that may be used. The problem may come
// with a catalog: the copy.
func (s *Service) load(ctx context.Context, src Source) (c Catalog, ok bool, problem error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	if err := src.Validate(); err != nil {
		return Catalog{}, false, err
	}
	kept, have := s.store.Get(ctx, src.ID())
	var old Catalog
	if have {
		var err error
		if old, err = open(src, kept.Data, kept.Signature); err != nil {
			have, kept = false, Copy{} // damaged: it says nothing
		}
	}
	c, err := s.renew(ctx, src, kept)
	if err == nil {
		return c, true, nil
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		s.refuse(context.WithoutCancel(ctx), src, err)
	}
	if !have {
		return Catalog{}, false, err
	}
	if expired := checkExpiry(old, s.now()); expired != nil {
		return Catalog{}, false, &Withheld{old.Document, fmt.Errorf("%w; the local copy is too old", err)}
	}
	return old, true, fmt.Errorf("%w; using the copy of %s", err, kept.FetchedAt.UTC().Format(time.RFC3339))
}

// Examine returns the catalog of a copy as it would be used without the network: Invalid where
// it is not what src trusts, Unavailable where it has expired.
func Examine(src Source, kept Copy, now time.Time) (Catalog, error) {
	c, err := open(src, kept.Data, kept.Signature)
	if err != nil {
		return Catalog{}, err
	}
	return c, checkExpiry(c, now)
}
