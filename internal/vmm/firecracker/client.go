package firecracker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/statedir"
)

// maxAnswer bounds the body of an answer, in bytes; Firecracker's own bound on
// requests is 51,200.
const maxAnswer = 64 << 10

// limits bound the waits for Firecracker.
type limits struct{ api, call, boot, pause time.Duration }

func usualLimits() limits {
	return limits{
		api:   20 * time.Second, // until it answers at all, which takes some 10 ms
		call:  10 * time.Second, // of a call that changes what it remembers, or opens a file
		boot:  30 * time.Second, // of the guest's start: it reads the kernel and the initramfs
		pause: 35 * time.Second, // it gives its virtual CPUs 30 s
	}
}

// refusal is Firecracker's answer to a call that it does not carry out.
type refusal struct {
	status  int
	message string // its fault_message, on one line
}

func (r *refusal) Error() string { return r.message }

// client is a client of Firecracker's API: HTTP/1.1 and JSON on a unix socket, as its
// src/firecracker/swagger/firecracker.yaml describes it. It is safe for concurrent
// use, except for learning the version.
type client struct {
	http    *http.Client
	limits  limits
	version version // fields that it does not know are not sent; zero: not known yet
}

// newClient makes a client of the API at the socket. Nothing is dialled yet. The
// caller closes it.
func newClient(socket string, l limits) *client {
	return clientBy(func(ctx context.Context) (net.Conn, error) { return statedir.DialUnix(ctx, socket) }, l)
}

func clientBy(dial func(context.Context) (net.Conn, error), l limits) *client {
	return &client{limits: l, http: &http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
		MaxIdleConns:       1,
	}}}
}

// close closes the idle connections.
func (c *client) close() { c.http.CloseIdleConnections() }

// do makes one call, within ctx and limit. in is its body, nil: none. out takes the
// answer's, nil: none is wanted. Any 2xx is success. A refusal is a *refusal.
func (c *client) do(ctx context.Context, limit time.Duration, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	body, err := c.encode(path, in)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", method, path, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://firecracker"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("no answer to %s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	case len(data) > maxAnswer:
		return fmt.Errorf("the answer to %s %s is over %d bytes", method, path, maxAnswer)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return fmt.Errorf("%s %s is refused: %w", method, path, refused(res.StatusCode, data))
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	return nil
}

func refused(status int, body []byte) *refusal {
	var fault struct {
		Message string `json:"fault_message"`
	}
	r := &refusal{status: status, message: http.StatusText(status)}
	if json.Unmarshal(body, &fault) == nil && fault.Message != "" {
		r.message = strings.TrimSuffix(plain.Line(fault.Message, maxSaid), ".")
	}
	return r
}

// encode is the body without the fields that the version does not know: Firecracker
// refuses a body with any of these.
func (c *client) encode(path string, in any) (io.Reader, error) {
	if in == nil {
		return nil, nil
	}
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	resource, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for name := range fields {
		if since, ok := fieldsSince()[resource+" "+name]; ok && c.version.before(since) {
			delete(fields, name)
		}
	}
	data, err = json.Marshal(fields)
	return bytes.NewReader(data), err
}

// learnVersion asks for the version, the first of all calls.
func (c *client) learnVersion(ctx context.Context) error {
	var answer struct {
		Version string `json:"firecracker_version"`
	}
	if err := c.do(ctx, c.limits.call, http.MethodGet, "/version", nil, &answer); err != nil {
		return err
	}
	v, ok := parseVersion(answer.Version)
	if !ok {
		return fmt.Errorf("the version is %.100q", answer.Version)
	}
	c.version = v
	return nil
}

// isLost reports whether the connection ended before the answer, and not by our deadline.
func isLost(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// isRefusal says whether Firecracker answered, and what.
func isRefusal(err error) (*refusal, bool) {
	r := &refusal{}
	ok := errors.As(err, &r)
	return r, ok
}
