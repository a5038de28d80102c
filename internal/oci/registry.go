package oci

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bangervm/banger/internal/image"
)

// registry is one place that has an image's repository.
type registry struct {
	ref    name.Reference
	puller *remote.Puller
	idle   time.Duration
	creds  *credentials
	guard  *guard
}

// newRegistry does not reach it yet.
func (c *Client) newRegistry(ref name.Reference, registries image.Registries, plainHTTP bool) (*registry, error) {
	g, err := c.newGuard(ref.Context().RegistryStr(), registries, plainHTTP)
	if err != nil {
		return nil, err
	}
	r := &registry{ref: ref, idle: c.opts.IdleTimeout, creds: &credentials{Keychain: c.opts.Keychain}, guard: g}
	r.puller, err = remote.NewPuller(
		remote.WithAuthFromKeychain(r.creds), remote.WithTransport(r.guard),
		remote.WithRetryBackoff(remote.Backoff{Duration: 100 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 3}),
	)
	return r, err
}

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

const (
	maxReconnects = 3
	// minChunk is what a registry must send in the time that it may be silent.
	minChunk = 16 << 10
)

var errIdle = errors.New("the registry sends almost nothing")

type blobReader struct {
	*registry
	digest name.Digest
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex // guards body against Close
	body    io.ReadCloser
	n       int64 // bytes given out
	retries int
	slow    time.Duration // how long the last few bytes took
	few     int           // how many they are
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
		n, err := b.watched(p)
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

// watched reads, and gives up a registry that sends too little for too long. The
// time in which nobody reads does not count.
func (b *blobReader) watched(p []byte) (int, error) {
	start := time.Now()
	watch := time.AfterFunc(b.idle-b.slow, func() { b.cancel(errIdle) })
	n, err := b.body.Read(p)
	watch.Stop()
	b.slow, b.few = b.slow+time.Since(start), b.few+n
	if b.few >= minChunk {
		b.slow, b.few = 0, 0
	}
	return n, err
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
