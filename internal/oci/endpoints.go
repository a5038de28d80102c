package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// endpoints is an origin: the places that have an image's repository, first the
// mirrors and last the registry itself. What one cannot give, the next is asked for.
type endpoints struct {
	all []*registry
	warnings

	mu   sync.Mutex
	at   int            // the first that is still asked
	used map[string]int // by digest, which one gave the blob last
}

// endpoints parses the reference for each place. The caller closes them.
func (c *Client) endpoints(ctx context.Context, ref image.Ref) (*endpoints, error) {
	// A digest decides; a tag beside it is for people.
	suffix := ""
	switch {
	case ref.Digest != "":
		suffix = "@" + ref.Digest
	case ref.Tag != "":
		suffix = ":" + ref.Tag
	}
	var registries image.Registries
	if c.opts.Registries != nil {
		registries = c.opts.Registries(ctx)
	}
	own, err := name.ParseReference(ref.Repository+suffix, insecure(registries, ref.Repository)...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%q is not an image reference", ref.String())
	}
	e := &endpoints{used: map[string]int{}, warnings: warnings{log: c.opts.Log}}
	for _, m := range registries.Of(own.Context().RegistryStr()).Mirrors {
		opts := insecure(registries, m.Repository("x"))
		if m.PlainHTTP {
			opts = []name.Option{name.Insecure}
		}
		there, err := name.ParseReference(m.Repository(own.Context().RepositoryStr())+suffix, opts...)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the mirror %s cannot have %q", m, ref.String())
		}
		if err := e.add(c, there, registries, m.PlainHTTP); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	if err := e.add(c, own, registries, false); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// insecure are the options that let a registry be asked by plain HTTP, where the
// user allowed that.
func insecure(registries image.Registries, repository string) []name.Option {
	repo, err := name.NewRepository(repository)
	if err != nil || !registries.Of(repo.RegistryStr()).Insecure {
		return nil
	}
	return []name.Option{name.Insecure}
}

func (e *endpoints) add(c *Client, ref name.Reference, registries image.Registries, plainHTTP bool) error {
	r, err := c.newRegistry(ref, registries, plainHTTP)
	if err == nil {
		e.all = append(e.all, r)
	}
	return err
}

func (c *Client) openRegistry(ctx context.Context, ref image.Ref) (image.Content, error) {
	e, err := c.endpoints(ctx, ref)
	if err != nil {
		return nil, err
	}
	if out := c.openCached(ctx, ref, e); out != nil {
		out.source, out.warnings = e, &e.warnings
		return out, nil
	}
	for i, r := range e.all {
		e.at = i
		out, err := c.openAt(ctx, ref, r, e)
		if problem := r.creds.failure(); err == nil && problem != nil {
			e.warn("%s is asked without a login: %v", r.host(), problem)
		}
		if err == nil {
			out.source, out.warnings = e, &e.warnings
			return out, nil
		}
		if i == len(e.all)-1 || ctx.Err() != nil {
			return nil, errors.Join(e.withEarlier(err), e.Close())
		}
		e.warn("mirror %s: %v", r.host(), err)
	}
	return nil, errors.Join(fault.New(fault.Internal, "%s has no registry", ref), e.Close())
}

// openAt finds the image at one place.
func (c *Client) openAt(ctx context.Context, ref image.Ref, r *registry, e *endpoints) (*content, error) {
	d, err := r.puller.Get(ctx, r.ref)
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	if ref.Digest != "" && digestOf(d.Manifest) != ref.Digest {
		return nil, mismatch("manifest %s has the wrong digest: got %s", ref, digestOf(d.Manifest))
	}
	out, err := c.fromManifest(ctx, d.Manifest, d.MediaType, c.host.aimed(ref.Platform), e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.ref, err)
	}
	return out, nil
}

// Close ends the connections that are kept for more requests.
func (e *endpoints) Close() error {
	for _, r := range e.all {
		r.guard.close()
	}
	return nil
}

func (e *endpoints) remote() bool                      { return true }
func (e *endpoints) local(_ v1.Descriptor) io.ReaderAt { return nil }

func (e *endpoints) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	return firstOf(ctx, e, d, func(r *registry) ([]byte, error) { return r.manifest(ctx, d) })
}

func (e *endpoints) blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	return firstOf(ctx, e, d, func(r *registry) (io.ReadCloser, error) { return r.blob(ctx, d) })
}

// firstOf asks one place after the other.
func firstOf[T any](ctx context.Context, e *endpoints, d v1.Descriptor, ask func(*registry) (T, error)) (T, error) {
	e.mu.Lock()
	at := e.at
	e.mu.Unlock()
	for {
		got, err := ask(e.all[at])
		e.mu.Lock()
		e.used[d.Digest.String()] = at
		e.mu.Unlock()
		if err == nil || ctx.Err() != nil || at == len(e.all)-1 {
			return got, err
		}
		e.warn("mirror %s: %v", e.all[at].host(), err)
		at++
	}
}

// elsewhere reports whether another place can be asked for the blob, which came
// damaged or not at all. The place that it came from is not asked again.
func (e *endpoints) elsewhere(d v1.Descriptor, err error) bool {
	if !isMismatch(err) && fault.CodeOf(err) != fault.Unavailable {
		return false
	}
	e.mu.Lock()
	used := e.used[d.Digest.String()]
	more := used < len(e.all)-1
	if more {
		e.at = max(e.at, used+1)
	}
	e.mu.Unlock()
	if more {
		e.warn("mirror %s: %v", e.all[used].host(), err)
	}
	return more
}

// warnings are what went wrong and was made good.
type warnings struct {
	log  *slog.Logger
	told sync.Mutex
	said []string
}

// maxWarnings bounds what is kept for the user.
const maxWarnings = 16

func (w *warnings) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.told.Lock()
	defer w.told.Unlock()
	if len(w.said) < maxWarnings {
		w.said = append(w.said, text)
		w.log.Warn("an image's registry", "problem", text)
	}
}

// text is all of them, or empty.
func (w *warnings) text() string {
	w.told.Lock()
	defer w.told.Unlock()
	return strings.Join(w.said, "; ")
}

// withEarlier adds what went wrong before to the last error.
func (w *warnings) withEarlier(err error) error {
	if earlier := w.text(); earlier != "" {
		return fmt.Errorf("%w (%s)", err, earlier)
	}
	return err
}
