// Package download fetches catalogs and the files that they name: small documents, and large
// files that are known by their hash, from https: and file: URLs.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
)

const (
	dialTimeout       = 15 * time.Second
	maxResponseHeader = 64 << 10
	maxRedirects      = 5
	maxETag           = 256
)

// Options are a Client's. Zero values mean the defaults.
type Options struct {
	// Transport is for tests; nil: one that honours the proxies of the environment.
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
	http http.Client
	opts Options
	dir  string // of unfinished files

	mu   sync.Mutex
	busy map[string]bool // the hashes that are being downloaded
}

// New returns a Client that keeps unfinished files in dir, which it makes.
func New(dir string, opts Options) *Client {
	if opts.Transport == nil {
		opts.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
			ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: dialTimeout, MaxResponseHeaderBytes: maxResponseHeader,
			DisableCompression: true, // what is counted and hashed is what was published
		}
	}
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
	c := &Client{opts: opts, dir: dir, busy: map[string]bool{}}
	c.http = http.Client{Transport: opts.Transport, CheckRedirect: checkRedirect}
	return c
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
		f, err := openFile(u.Path)
		return f, head{http.StatusOK, http.Header{}}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{ctx: ctx, idle: c.opts.Idle, cancel: cancel}
	w.timer = time.AfterFunc(c.opts.Idle, w.fire)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		w.stop()
		return nil, head{}, err
	}
	req.Header = header
	req.Header.Set("User-Agent", "banger/"+buildinfo.Current().Version)
	resp, err := c.http.Do(req) //nolint:bodyclose // the caller closes w, and with it the body
	if err != nil {
		err = unreachable(ctx, address, err)
		w.stop()
		return nil, head{}, err
	}
	w.body = resp.Body
	return w, head{resp.StatusCode, resp.Header}, nil
}

// openFile opens a regular file, without waiting for the other end of a pipe.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fault.New(fault.NotFound, "no such file: %s", path)
	case errors.Is(err, os.ErrPermission):
		return nil, fault.Wrap(fault.PermissionDenied, err, "cannot read %s", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, "%s is not a regular file", path)
	}
	return os.Open(path)
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
	w.stop()
	return w.body.Close()
}
