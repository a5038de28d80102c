package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// registry is an origin.
type registry struct {
	ref    name.Reference
	puller *remote.Puller
	idle   time.Duration
}

func (c *Client) openRegistry(ctx context.Context, ref image.Ref) (image.Content, error) {
	// A digest decides; a tag beside it is for people.
	s := ref.Repository
	switch {
	case ref.Digest != "":
		s += "@" + ref.Digest
	case ref.Tag != "":
		s += ":" + ref.Tag
	}
	parsed, err := name.ParseReference(s)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%q is not an image reference", ref.String())
	}
	opts := []remote.Option{
		remote.WithAuthFromKeychain(credentials{c.opts.Keychain}),
		remote.WithRetryBackoff(remote.Backoff{Duration: 100 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 3}),
	}
	if c.opts.Transport != nil {
		opts = append(opts, remote.WithTransport(c.opts.Transport))
	}
	puller, err := remote.NewPuller(opts...)
	if err != nil {
		return nil, err
	}
	r := &registry{ref: parsed, puller: puller, idle: c.opts.IdleTimeout}
	d, err := puller.Get(ctx, parsed)
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	if ref.Digest != "" && digestOf(d.Manifest) != ref.Digest {
		return nil, mismatch("manifest %s has the wrong digest: got %s", ref, digestOf(d.Manifest))
	}
	out, err := c.fromManifest(ctx, d.Manifest, d.MediaType, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", parsed, err)
	}
	return out, nil
}

func (r *registry) remote() bool                      { return true }
func (r *registry) local(_ v1.Descriptor) io.ReaderAt { return nil }

func (r *registry) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	got, err := r.puller.Get(ctx, r.ref.Context().Digest(d.Digest.String()))
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	return got.Manifest, nil
}

// blob goes on where it was when the connection breaks, some times.
func (r *registry) blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	b := &blobReader{registry: r, digest: r.ref.Context().Digest(d.Digest.String())}
	b.ctx, b.cancel = context.WithCancelCause(ctx)
	if err := b.connect(); err != nil {
		b.cancel(nil)
		return nil, err
	}
	return b, nil
}

const maxReconnects = 3

var errIdle = errors.New("the registry sends nothing")

type blobReader struct {
	*registry
	digest name.Digest
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex // guards body against Close
	body    io.ReadCloser
	n       int64 // bytes given out
	retries int
}

func (b *blobReader) connect() error {
	watch := time.AfterFunc(b.idle, func() { b.cancel(errIdle) })
	defer watch.Stop()
	l, err := b.puller.Layer(b.ctx, b.digest)
	if err != nil {
		return b.explain(b.ctx, err)
	}
	body, err := l.Compressed()
	if err != nil {
		return b.explain(b.ctx, err)
	}
	b.mu.Lock()
	b.body = body
	b.mu.Unlock()
	return nil
}

func (b *blobReader) Read(p []byte) (int, error) {
	for {
		watch := time.AfterFunc(b.idle, func() { b.cancel(errIdle) })
		n, err := b.body.Read(p)
		watch.Stop()
		b.n += int64(n)
		if err == nil || errors.Is(err, io.EOF) {
			return n, err
		}
		if isVerification(err) {
			return n, io.EOF // whoever reads verifies, and says it in our words
		}
		if n > 0 {
			return n, nil // the error comes again
		}
		if b.retries++; b.retries > maxReconnects || b.ctx.Err() != nil {
			return 0, b.explain(b.ctx, err)
		}
		if err := b.reconnect(); err != nil {
			return 0, err
		}
	}
}

// isVerification recognises the client library's own check, whose error has no
// type that can be seen from outside.
func isVerification(err error) bool { return strings.HasPrefix(err.Error(), "error verifying ") }

// reconnect asks for the blob again and skips what was given out.
func (b *blobReader) reconnect() error {
	_ = b.body.Close()
	if err := b.connect(); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, b.body, b.n); err != nil {
		return b.explain(b.ctx, err)
	}
	return nil
}

func (b *blobReader) Close() error {
	b.cancel(nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.body.Close()
}

// explain turns what went wrong with a registry into a fault.
func (r *registry) explain(ctx context.Context, err error) error {
	host := r.ref.Context().RegistryStr()
	if cause := context.Cause(ctx); errors.Is(cause, errIdle) {
		return fault.New(fault.Unavailable, "the registry %s has sent nothing for %s", host, r.idle).
			WithHint("try again: the layers that are complete are kept")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return r.explainAnswer(answer)
	}
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	if isNetwork(err) {
		return fault.Wrap(fault.Unavailable, err, "the registry %s does not answer", host).
			WithHint("check the network and the name; what is complete of the image is kept")
	}
	return fault.Wrap(fault.Invalid, err, "the registry %s answered about %s what cannot be used", host, r.ref)
}

func (r *registry) explainAnswer(err *transport.Error) error {
	host := r.ref.Context().RegistryStr()
	switch err.StatusCode {
	case http.StatusNotFound:
		return fault.Wrap(fault.NotFound, err, "no image %s", r.ref).WithHint("check the name and the tag")
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.Wrap(fault.PermissionDenied, err, "the registry %s does not show %s to you", host, r.ref).
			WithHint("check the name, or log in: docker login %s", host)
	case http.StatusTooManyRequests:
		return fault.Wrap(fault.Unavailable, err, "the registry %s limits how much you may fetch", host).
			WithHint("wait, or log in: docker login %s", host)
	}
	if err.StatusCode >= http.StatusInternalServerError {
		return fault.Wrap(fault.Unavailable, err, "the registry %s is in trouble", host).WithHint("try again later")
	}
	return fault.Wrap(fault.Invalid, err, "the registry %s refused %s", host, r.ref)
}

func isNetwork(err error) bool {
	_, isURL := errors.AsType[*url.Error](err)
	_, isNet := errors.AsType[net.Error](err)
	_, isOp := errors.AsType[*net.OpError](err)
	return isURL || isNet || isOp || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF)
}
