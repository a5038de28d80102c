// Package download fetches catalogs and the files that they name: small documents, and large
// files that are known by their hash, from https: and file: URLs.
package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/dialguard"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

const (
	tlsTimeout        = 15 * time.Second
	maxResponseHeader = 64 << 10
	maxRedirects      = 5
	maxETag           = 256
)

// Options are a Client's. Zero values mean the defaults.
type Options struct {
	// Transport is for tests; nil: one for each fetch, which honours the proxies of the
	// environment and is guarded (dialguard).
	Transport http.RoundTripper
	// Idle is the longest time in which nothing may come; 30 s.
	Idle time.Duration
	// Grace is the time after which a download must have had MinRate bytes a
	// second on average; 60 s and 8 KiB/s.
	Grace   time.Duration
	MinRate int64
	Now     func() time.Time
}

// Client fetches. It is safe for concurrent use.
type Client struct {
	opts  Options
	dir   string // of unfinished files
	seams seams

	mu   sync.Mutex
	busy map[string]bool // the hashes that are being downloaded
}

// seams are what tests of the guard replace of the world.
type seams struct {
	tls      *tls.Config
	reserved func(netip.Addr) bool
}

// New returns a Client that keeps unfinished files in dir, which it makes.
func New(dir string, opts Options) *Client {
	if opts.Idle == 0 {
		opts.Idle = 30 * time.Second
	}
	if opts.Grace == 0 {
		opts.Grace = time.Minute
	}
	if opts.MinRate == 0 {
		opts.MinRate = 8 << 10
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Client{opts: opts, dir: dir, busy: map[string]bool{}}
}

// client is the HTTP client of one fetch from u, a URL that the user or a catalog named: where
// u is on the Internet, redirects lead nowhere else. done ends its connections.
func (c *Client) client(u *url.URL) (client *http.Client, done func()) {
	client = &http.Client{Transport: c.opts.Transport, CheckRedirect: checkRedirect}
	if client.Transport != nil {
		return client, func() {}
	}
	guarded := dialguard.New(u.Host, u.Host, c.transport(), c.transport(), c.seams.reserved)
	client.Transport = guarded
	return client, guarded.CloseIdleConnections
}

func (c *Client) transport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: c.seams.tls.Clone(),
		TLSHandshakeTimeout: tlsTimeout, MaxResponseHeaderBytes: maxResponseHeader,
		DisableCompression: true, // what is counted and hashed is what was published
	}
}

// checkRedirect keeps a request on HTTPS.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fault.New(fault.Invalid, "%s redirects more than %d times", via[0].URL.Host, maxRedirects)
	}
	if req.URL.Scheme != "https" {
		return fault.New(fault.Invalid, "%s redirects to %s, which is not HTTPS", via[0].URL.Host, req.URL.Redacted())
	}
	return nil
}

// Document implements catalog.Fetcher.
func (c *Client) Document(ctx context.Context, address, etag string, limit int64) (catalog.Response, error) {
	if err := catalog.CheckURL(address); err != nil {
		return catalog.Response{}, err
	}
	header := http.Header{}
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	body, head, err := c.open(ctx, address, header)
	if err != nil {
		return catalog.Response{}, err
	}
	defer body.Close() //nolint:errcheck // read only
	if head.status == http.StatusNotModified && etag != "" {
		return catalog.Response{ETag: etag, Unchanged: true}, nil
	}
	if head.status != http.StatusOK {
		return catalog.Response{}, statusFault(address, head.status)
	}
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return catalog.Response{}, unreachable(ctx, address, err)
	}
	if int64(len(data)) > limit {
		return catalog.Response{}, fault.New(fault.Invalid, "%s is larger than %s", address, fault.Bytes(limit))
	}
	tag := head.header.Get("ETag")
	if len(tag) > maxETag {
		tag = ""
	}
	return catalog.Response{Data: data, ETag: tag}, nil
}

// head is what comes before the content. A file has it too.
type head struct {
	status int
	header http.Header
}

// open begins to read a URL.
func (c *Client) open(ctx context.Context, address string, header http.Header) (io.ReadCloser, head, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, head{}, err
	}
	if u.Scheme == "file" {
		f, _, err := regularfile.Open(u.Path)
		return f, head{http.StatusOK, http.Header{}}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	client, done := c.client(u)
	w := &watch{ctx: ctx, idle: c.opts.Idle, cancel: cancel, done: done}
	w.timer = time.AfterFunc(c.opts.Idle, w.fire)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		w.stop()
		return nil, head{}, err
	}
	req.Header = header
	req.Header.Set("User-Agent", "banger/"+buildinfo.Current().Version)
	resp, err := client.Do(req) //nolint:bodyclose // the caller closes w, and with it the body
	if err != nil {
		err = unreachable(ctx, address, err)
		w.stop()
		done()
		return nil, head{}, err
	}
	w.body = resp.Body
	return w, head{resp.StatusCode, resp.Header}, nil
}

func statusFault(address string, status int) error {
	code := fault.Unavailable
	switch status {
	case http.StatusNotFound, http.StatusGone:
		code = fault.NotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		code = fault.PermissionDenied
	}
	return fault.New(code, "%s answers %d %s", address, status, http.StatusText(status))
}

// unreachable says why a server could not be read.
func unreachable(ctx context.Context, address string, err error) error {
	if stalled, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
		return fmt.Errorf("%s: %w", address, stalled)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return fmt.Errorf("%s: %w", address, err)
	}
	if bad, ok := errors.AsType[*url.Error](err); ok {
		err = bad.Err
	}
	return fault.Wrap(fault.Unavailable, err, "cannot read %s", address).WithHint("check the network, and the proxy settings in the environment")
}

// watch ends a response of which nothing comes.
type watch struct {
	ctx    context.Context
	body   io.ReadCloser
	idle   time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
	done   func() // after all else
}

func (w *watch) fire() {
	w.cancel(fault.New(fault.Unavailable, "the server sent nothing for %s", w.idle))
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// Read is part of io.Reader.
func (w *watch) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if n > 0 {
		w.timer.Reset(w.idle)
	}
	if stalled, ok := errors.AsType[*fault.Error](context.Cause(w.ctx)); ok && err != nil {
		err = stalled
	}
	return n, err
}

// Close ends the response.
func (w *watch) Close() error {
	defer w.done()
	w.stop()
	return w.body.Close()
}
