package main

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/e2e/web"
)

// firstPaint compares when a browser first paints the dashboard with when it first paints the
// same page, with its assets, from a server of static files.
func (b *bench) firstPaint(ctx context.Context, w *visitor, vms int) error {
	files, err := w.saved(ctx, "/")
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	static := &http.Server{Handler: files, ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- static.Serve(listener) }()
	pairs, err := b.paints(ctx, "http://"+listener.Addr().String()+"/")
	err = errors.Join(err, static.Close())
	if serveErr := <-ended; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	if err != nil {
		return err
	}
	return b.report(fmt.Sprintf("first paint, %d VMs", vms), "the page as static files", 1.5, pairs)
}

func (b *bench) paints(ctx context.Context, static string) ([]pair, error) {
	link, err := b.banger(ctx, "web", "--print")
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp(b.dir, "browser-")
	if err != nil {
		return nil, err
	}
	browser, err := web.Open(ctx, profile)
	if err != nil {
		return nil, err
	}
	defer browser.Close()
	link = strings.TrimSpace(link)
	if err := browser.Go(ctx, link); err != nil {
		return nil, err
	}
	console := link[:strings.Index(link, "/enter/")+1]
	paint := func(address string) func() (time.Duration, error) {
		return func() (time.Duration, error) { return firstPaintOf(ctx, browser, address) }
	}
	for _, address := range []string{console, static} { // the assets are in its cache then
		if _, err := paint(address)(); err != nil {
			return nil, err
		}
	}
	return interleaved(max(11, b.pairs), paint(console), paint(static))
}

// firstPaintOf is the time from the start of a navigation to its first contentful paint, as
// the browser tells it (W3C Paint Timing).
func firstPaintOf(ctx context.Context, browser *web.Browser, address string) (time.Duration, error) {
	if err := browser.Go(ctx, address); err != nil {
		return 0, fmt.Errorf("%s: %w", address, err)
	}
	const entry = `performance.getEntriesByName("first-contentful-paint")`
	if err := browser.Is(ctx, entry+".length > 0"); err != nil {
		return 0, err
	}
	text, err := browser.Value(ctx, entry+"[0].startTime")
	if err != nil {
		return 0, err
	}
	ms, err := strconv.ParseFloat(text, 64)
	return time.Duration(ms * float64(time.Millisecond)), err
}

// saved is a page with its assets, as files that are served from memory.
func (w *visitor) saved(ctx context.Context, page string) (http.Handler, error) {
	body, err := w.get(ctx, page)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{page: body}
	for _, asset := range regexp.MustCompile(`/assets/[a-zA-Z0-9/._-]+`).FindAllString(string(body), -1) {
		if _, has := files[asset]; !has {
			if files[asset], err = w.get(ctx, asset); err != nil {
				return nil, err
			}
		}
	}
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		data, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(out, r)
			return
		}
		kind := mime.TypeByExtension(path.Ext(r.URL.Path))
		if kind == "" {
			kind = "text/html; charset=utf-8"
		} else {
			out.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		out.Header().Set("Content-Type", kind)
		_, _ = out.Write(data)
	}), nil
}
