//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/e2e/web"
)

// trespassTime is how long all that others try may take.
const trespassTime = 3 * time.Minute

// trespass has pages of others, in the browser that the console let in, do what they can to
// it: of another site, of this host's address, and of another port of the console's own name, for
// which the browser does send the session's cookie. path is that of a VM.
func (v *browserVerb) trespass(ctx context.Context, ts *testscript.TestScript, path string) {
	site := v.site(ctx, ts, path)
	console, err := url.Parse(site.Origin)
	ts.Check(err)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><title>evil</title><link rel="icon" href="data:,"><body>evil`)
	}))
	defer evil.Close()
	port := evil.URL[strings.LastIndex(evil.URL, ":"):]
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scaled(trespassTime))
	defer cancel()
	for _, host := range []string{"evil.localhost", "127.0.0.1", console.Hostname()} {
		address := "http://" + host + port + "/"
		succeeded, err := v.browser.Attack(ctx, address, site)
		ts.Check(whileAt(address, err))
		if len(succeeded) > 0 {
			ts.Fatalf("%s can:\n%s", address, strings.Join(succeeded, "\n"))
		}
		for _, encoding := range []string{"application/x-www-form-urlencoded", "text/plain", "multipart/form-data"} {
			refusal := regexp.MustCompile("not signed in|Another page sent this|only the forms of its own")
			ts.Check(whileAt(address, v.browser.Submit(ctx, address, encoding, site, refusal)))
		}
	}
	// The console's port under a name of another, which leads there.
	for _, host := range []string{"evil.localhost", "127.0.0.1", "localhost", "x." + console.Hostname()} {
		ts.Check(whileAt(host, v.browser.Go(ctx, "http://"+host+":"+console.Port()+"/")))
		ts.Check(v.browser.See(ctx, "body", regexp.MustCompile("not the address of the console")))
	}
	v.browser.Problems()
	ts.Check(whileAt("back at "+site.Origin+path, v.browser.Go(ctx, site.Origin+path)))
}

// site is what the browser shows now, as others attack it.
func (v *browserVerb) site(ctx context.Context, ts *testscript.TestScript, path string) web.Site {
	origin, err := v.browser.Value(ctx, "location.origin")
	ts.Check(whileAt("the page that is open", err))
	asset, err := v.browser.Value(ctx, `new URL(document.querySelector("link[rel=stylesheet]").href).pathname`)
	ts.Check(whileAt("its style sheet", err))
	return web.Site{Origin: origin, Path: path, Asset: asset}
}

// stranger opens an address, or a path of the console, in a browser that was never let in.
func (v *browserVerb) stranger(ctx context.Context, ts *testscript.TestScript, address, pattern string) {
	if strings.HasPrefix(address, "/") {
		address = v.site(ctx, ts, "").Origin + address
	} else {
		address = strings.TrimSpace(ts.ReadFile(address))
	}
	text, err := v.browser.Stranger(ctx, address)
	ts.Check(err)
	if !regexp.MustCompile(pattern).MatchString(text) {
		ts.Fatalf("a stranger at %s reads %q", address, text)
	}
}

// harmless is an expression that finds what the text of a guest has become on a page.
const harmless = `"pwned" in window || document.querySelector("img, iframe, object, embed, [onload], [onerror], [onclick], script:not([src]), style") !== null ||
	[...document.links].some((a) => !/^https?:/.test(a.protocol)) || /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(document.querySelector("main").innerText)`

// texts opens each page of a file, and fails where something from a guest is more than text.
func (v *browserVerb) texts(ctx context.Context, ts *testscript.TestScript, file string) {
	v.each(ctx, ts, file, func(ctx context.Context, _, path string) ([]string, error) {
		if err := v.visit(ctx, path); err != nil {
			return nil, err
		}
		if err := v.browser.Run(ctx, `for (const d of document.querySelectorAll("details")) d.open = true`); err != nil {
			return nil, err
		}
		if err := v.browser.Is(ctx, `[...document.querySelectorAll("details[data-load]")].every((d) => d.querySelector("[data-loaded] table, [data-loaded] .dim, [data-loaded] .item + .item"))`); err != nil {
			return nil, err
		}
		is, err := v.browser.Value(ctx, harmless)
		if is != "false" {
			return []string{"something of the guest is not text"}, err
		}
		return v.browser.Problems(), err
	})
}

func whileAt(where string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}
