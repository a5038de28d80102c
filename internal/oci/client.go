// Package oci turns image references into verified, merged tar streams: from
// registries, OCI layouts and their archives, docker archives, and plain tars.
package oci

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci/flatten"
	"github.com/bangervm/banger/internal/pace"
)

// Options of a Client. The zero value is ready to use.
type Options struct {
	// Keychain holds the registries' credentials. Nil means docker's
	// configuration, with its credential helpers.
	Keychain authn.Keychain
	// Transport reaches the registries. Nil means HTTP over the network.
	Transport http.RoundTripper
	// Registries tells how the user reaches registries, for a pull with this
	// context. Nil means: as they are.
	Registries func(context.Context) image.Registries
	// CacheMax is how many bytes the cache of blobs may keep after a pull with this
	// context. Nil means: any number.
	CacheMax func(context.Context) int64
	// Log gets the warnings. Nil means none.
	Log *slog.Logger
	// Limits bound what the files of one image may take of this host.
	Limits flatten.Limits
	// Parallel is how many layers are fetched at a time; 0 means 3.
	Parallel int
	// IdleTimeout is how long a registry may stay silent; 0 means a minute.
	IdleTimeout time.Duration
	// Architecture is the images' architecture; empty means the host's.
	Architecture string
	// CPULevel is the highest of the x86-64 levels 1 to 4 that images may need; 0
	// means what the host's CPU has.
	CPULevel int
}

// Client is an image.Source. It is safe for concurrent use.
type Client struct {
	cache cache
	host  host
	opts  Options
	seams seams
	pins  pins
}

// seams are what tests replace of the world.
type seams struct {
	reserved func(netip.Addr) bool // nil: dialguard's
	wait     func(context.Context, time.Duration) error
}

// NewClient returns a Client that keeps blobs in the directory blobs.
func NewClient(blobs string, opts Options) *Client {
	if opts.Keychain == nil {
		opts.Keychain = dockerKeychain{}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Parallel == 0 {
		opts.Parallel = 3
	}
	if opts.IdleTimeout == 0 {
		opts.IdleTimeout = time.Minute
	}
	if opts.Architecture == "" {
		opts.Architecture = runtime.GOARCH
	}
	if opts.CPULevel == 0 {
		opts.CPULevel = cpuLevel()
	}
	return &Client{
		cache: cache{dir: blobs}, host: host{arch: opts.Architecture, level: opts.CPULevel}, opts: opts,
		pins:  pins{counts: map[string]int{}},
		seams: seams{wait: pace.Pause},
	}
}

// Open implements image.Source. When input is an io.Closer it is closed if ctx
// is cancelled, so that a Read under way returns.
func (c *Client) Open(ctx context.Context, ref image.Ref, input io.Reader) (image.Content, error) {
	switch ref.Kind {
	case image.Registry:
		return c.openRegistry(ctx, ref)
	case image.Layout:
		return c.openLayout(ctx, ref)
	case image.Archive:
		return c.openArchive(ctx, ref)
	case image.DockerArchive:
		return c.openDockerArchive(ctx, ref)
	case image.Tar:
		return c.openTar(ref, input)
	}
	return nil, fault.New(fault.Invalid, "%q is not a kind of image reference", ref.Kind)
}

// Sweep removes what unfinished pulls left in the cache. It is called before
// any other method.
func (c *Client) Sweep(ctx context.Context) error { return c.cache.sweep(ctx) }
