package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/fault"
)

// base is the address of every request. The host is only a name: Dial decides
// where the connection goes.
const base = "http://bangerd"

// maxAnswer bounds a JSON answer, in bytes.
const maxAnswer = 64 << 20

// bufferSize is how much of an answer is read at a time, in bytes.
const bufferSize = 64 << 10

// path joins escaped segments below /v1.
func path(segments ...string) string {
	var b strings.Builder
	b.WriteString("/" + api.Version)
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// request makes a request with a JSON body, or none when in is nil.
func request(ctx context.Context, method, target string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		if text, ok := altered(data); ok {
			return nil, fault.New(fault.Invalid, "%q is not UTF-8, so it would not arrive unchanged", text).
				WithHint("build it in the guest: sh -c 'cat \"$(printf \"caf\\351\")\"'")
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+target, body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "request %s %s", method, target)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// mark says in the request which daemon is meant, and by which configuration.
func (c *Client) mark(req *http.Request) error {
	if c.StateDir != "" {
		req.Header.Set(api.StateHeader, c.StateDir)
	}
	if c.Settings == nil || !api.HasSettings(req.URL.Path) {
		return nil
	}
	settings, err := c.Settings()
	if err == nil {
		req.Header.Set(api.SettingsHeader, settings)
	}
	return err
}

// send does a request and returns the answer when its status is 2xx. The
// caller closes the body.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	resp, err := c.sendOnce(req)
	if err == nil || c.Refused == nil || !c.Refused(req.Context(), err) {
		return resp, err
	}
	if req.Body != nil {
		if req.GetBody == nil {
			return nil, err
		}
		body, bodyErr := req.GetBody()
		if bodyErr != nil {
			return nil, errors.Join(err, bodyErr)
		}
		req.Body = body
	}
	return c.sendOnce(req)
}

func (c *Client) sendOnce(req *http.Request) (*http.Response, error) {
	if err := c.mark(req); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(req.Context(), err)
	}
	c.noteBuild(resp.Header)
	if resp.StatusCode == http.StatusSwitchingProtocols { // its body has no end
		return nil, errors.Join(fault.New(fault.Internal, "bangerd answered %s unexpectedly", resp.Status), resp.Body.Close())
	}
	if resp.StatusCode/100 != 2 {
		defer func() { _ = resp.Body.Close() }()
		return nil, answerError(resp)
	}
	return resp, nil
}

// call does a request and decodes its JSON answer into Out.
func call[Out any](ctx context.Context, c *Client, method, target string, in any) (Out, error) {
	var out Out
	req, err := request(ctx, method, target, in)
	if err != nil {
		return out, err
	}
	resp, err := c.send(req)
	if err != nil {
		return out, err
	}
	defer func() { _ = resp.Body.Close() }()
	var data bytes.Buffer
	data.Grow(int(min(max(resp.ContentLength+1, bufferSize), maxAnswer)))
	if _, err := data.ReadFrom(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return out, c.transportError(ctx, err)
	}
	if data.Len() == 0 {
		return out, nil
	}
	if err := json.Unmarshal(data.Bytes(), &out); err != nil {
		return out, fault.Wrap(fault.Internal, err, "cannot read bangerd's answer to %s %s", method, target)
	}
	return out, nil
}

func list[T any](ctx context.Context, c *Client, target string) ([]T, error) {
	body, err := call[api.List[T]](ctx, c, http.MethodGet, target, nil)
	return body.Items, err
}

func (c *Client) noteBuild(header http.Header) {
	build, ok := parseBuild(header.Get(api.BuildHeader))
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.daemon = build
}

// parseBuild reads "VERSION COMMIT UNIXSECONDS"; the commit may be "-".
func parseBuild(value string) (buildinfo.Info, bool) {
	fields := strings.Fields(value)
	if len(fields) != 3 {
		return buildinfo.Info{}, false
	}
	seconds, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return buildinfo.Info{}, false
	}
	info := buildinfo.Info{Version: fields[0], Commit: strings.TrimPrefix(fields[1], "-")}
	if seconds > 0 {
		info.BuiltAt = time.Unix(seconds, 0).UTC()
	}
	return info, true
}
