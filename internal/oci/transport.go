package oci

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/dialguard"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/regularfile"
)

const (
	maxResponseHeader = 256 << 10
	tlsTimeout        = 30 * time.Second
	maxRedirects      = 10 // the client library has no bound of its own
)

// guard is the transport of one pull. It holds the registry, and whoever that
// sends us to, to some rules: no plain HTTP but on this host; from a registry on
// the Internet no way to addresses that are not (dialguard); documents come in time. It is
// patient when it is asked to be.
type guard struct {
	host  string // the registry's
	idle  time.Duration
	via   http.RoundTripper
	plain func(host string) bool // whether the user allowed plain HTTP
	asked atomic.Int64           // the longest wait that was asked for, and not done
	wait  func(context.Context, time.Duration) error
}

func (c *Client) newGuard(host string, registries image.Registries, plainHTTP bool) (*guard, error) {
	g := &guard{host: host, idle: c.opts.IdleTimeout, via: c.opts.Transport, wait: c.seams.wait}
	g.plain = func(other string) bool {
		return isLoopback(other) || other == host && plainHTTP || registries.Of(other).Insecure
	}
	if g.via != nil {
		return g, nil
	}
	access := registries.Of(host)
	roots, err := roots(access.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reach the registry %s: %w", host, err)
	}
	direct := newTransport(&tls.Config{RootCAs: roots, InsecureSkipVerify: access.Insecure}) //nolint:gosec // the user says so, for this one
	g.via = dialguard.New(host, "the registry "+host, direct, newTransport(&tls.Config{RootCAs: roots}), c.seams.reserved)
	return g, nil
}

// maxCAFile is more than all that browsers trust, in bytes.
const maxCAFile = 4 << 20

// roots are the host's certificates, and those in the file; nil: the host's.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	f, _, err := regularfile.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxCAFile))
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, fault.New(fault.Invalid, "the ca_file %s has no certificate", file).WithHint("it must be PEM: -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

// close ends the idle connections of its own transport.
func (g *guard) close() {
	if own, ok := g.via.(*dialguard.Transport); ok {
		own.CloseIdleConnections()
	}
}

func newTransport(tlsConfig *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: tlsConfig,
		MaxIdleConns: 16, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: tlsTimeout,
		ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: maxResponseHeader,
	}
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == "" || req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return nil, fault.New(fault.Invalid, "the registry %s leads to %q, which is no address on the network", g.host, req.URL.Redacted())
	}
	if req.URL.Scheme != "https" && !g.plain(req.URL.Host) {
		return nil, fault.New(fault.Invalid, "%s does not speak HTTPS, so anyone on the network could change what it sends", req.URL.Host).
			WithHint("if you trust the network: insecure = true under [registry.%q] in config.toml", req.URL.Host)
	}
	_, hops := firstRequest(req)
	if hops > maxRedirects {
		return nil, fault.New(fault.Invalid, "the registry %s redirects more than %d times", g.host, maxRedirects)
	}
	for waited := time.Duration(0); ; {
		resp, err := g.once(req)
		pause := g.askedToWait(req, resp)
		if err != nil || pause <= 0 {
			return resp, err
		}
		if waited += pause; waited > g.idle/2 {
			g.asked.Store(int64(pause))
			return resp, nil
		}
		_ = resp.Body.Close()
		if err := g.wait(req.Context(), pause); err != nil {
			return nil, err
		}
	}
}

// once bounds the time and size of all but blobs, whose reader watches them itself.
func (g *guard) once(req *http.Request) (*http.Response, error) {
	if isBlob(req) {
		return g.via.RoundTrip(req)
	}
	ctx, cancel := context.WithTimeout(req.Context(), g.idle)
	resp, err := g.via.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &document{ReadCloser: resp.Body, host: g.host, left: maxManifestBytes, cancel: cancel}
	return resp, nil
}

// document is the body of a manifest, an index or a smaller answer. It ends with a fault
// after maxManifestBytes, whatever length the server announced.
type document struct {
	io.ReadCloser
	host   string // the registry's
	left   int64  // bytes
	cancel context.CancelFunc
}

func (d *document) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p[:min(int64(len(p)), d.left+1)]) // one more, to see its end
	if d.left -= int64(n); d.left < 0 {
		return 0, fault.New(fault.Invalid, "the registry %s sends a manifest of more than %s, which is the most that banger reads",
			d.host, fault.Bytes(maxManifestBytes))
	}
	return n, err
}

func (d *document) Close() error {
	defer d.cancel()
	return d.ReadCloser.Close()
}

// firstRequest is what was asked for before redirects, and how many these are.
func firstRequest(req *http.Request) (first *http.Request, hops int) {
	for ; req.Response != nil && req.Response.Request != nil; hops++ {
		req = req.Response.Request
	}
	return req, hops
}

func isBlob(req *http.Request) bool {
	first, _ := firstRequest(req)
	return strings.Contains(first.URL.Path, "/blobs/")
}

// askedToWait is what Retry-After says (RFC 9110, section 10.2.3), or 0.
func (g *guard) askedToWait(req *http.Request, resp *http.Response) time.Duration {
	if resp == nil || resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable ||
		req.Body != nil && req.Body != http.NoBody {
		return 0
	}
	after := resp.Header.Get("Retry-After")
	if seconds, err := time.ParseDuration(cmp.Or(after, "0") + "s"); err == nil {
		return max(0, min(seconds, 24*time.Hour))
	}
	if at, err := http.ParseTime(after); err == nil {
		return max(0, min(time.Until(at), 24*time.Hour))
	}
	return 0
}
