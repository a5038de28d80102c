package web

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// attack is what a page of another site tries. Its expression is a promise of what came of
// it, which is "refused" where the browser or the site attacked let nothing through. site,
// host, path and asset are what is attacked.
type attack struct{ name, try string }

// attacks read, change and show what is at path of the site, whose user the browser is.
// Where an answer is hidden from the page, only what it did on the site tells of it.
func attacks() []attack {
	const loaded = `new Promise((done) => { e.onload = () => done("loaded"); e.onerror = () => done("refused"); document.body.append(e); })`
	element := func(tag, attribute, address string) string {
		return fmt.Sprintf(`(() => { const e = document.createElement(%q); if (e.tagName === "LINK") e.rel = "stylesheet"; e.%s = %s; return %s; })()`, tag, attribute, address, loaded)
	}
	post := func(options string) string {
		return `fetch(site + path, {method: "POST", credentials: "include", ` + options + `}).then((r) => "answered: " + r.type, () => "refused")`
	}
	return []attack{
		{"fetch to read", `fetch(site + "/", {credentials: "include"}).then((r) => r.text()).then((t) => "read: " + t.slice(0, 60), () => "refused")`},
		{"fetch without CORS", `fetch(site + "/", {credentials: "include", mode: "no-cors"}).then((r) => "answered: " + r.type, () => "refused")`},
		{"fetch with a form", post(`mode: "no-cors", body: new URLSearchParams({do: "kill"})`)},
		{"fetch with text", post(`mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: "do=kill"`)},
		{"fetch with JSON", post(`headers: {"Content-Type": "application/json"}, body: '{"do": "kill"}'`)},
		{"image", element("img", "src", "asset")},
		{"script", element("script", "src", "asset")},
		{"style sheet", element("link", "href", "asset")},
		{"WebSocket", `new Promise((done) => { const s = new WebSocket("ws://" + host + path + "/sessions/sh/attach?rows=24&cols=80");
			s.onopen = () => done("open"); s.onerror = () => done("refused"); })`},
		{"event stream", `new Promise((done) => { const s = new EventSource(site + "/live?page=dashboard", {withCredentials: true});
			s.onopen = () => done("open"); s.onerror = () => { s.close(); done("refused"); }; })`},
		{"window", `new Promise((done) => { const w = open(site + "/"); let n = 0;
			const end = (came) => { if (w) w.close(); done(came); }; const look = () => {
			try { if (w && !w.closed && w.document.querySelector("main")) return end("read: " + w.document.title); } catch {}
			if (!w || w.closed || ++n > 40) return end("refused"); setTimeout(look, 50); }; look(); })`},
	}
}

// Site is what another page attacks: where a signed-in browser is, the path of a VM with a
// session sh, and something that the site lends to all of its own pages.
type Site struct{ Origin, Path, Asset string }

// Attack opens the page of an attacker, at address, and has it try all attacks on the site.
// It returns those that were not refused.
func (b *Browser) Attack(ctx context.Context, address string, site Site) (succeeded []string, err error) {
	if err := b.Go(ctx, address); err != nil {
		return nil, err
	}
	given := fmt.Sprintf("const site = %q, host = site.slice(7), path = %q, asset = site + %q;", site.Origin, site.Path, site.Asset)
	for _, a := range attacks() {
		came, err := run(ctx, b, chromedp.Evaluate[string]("(() => {"+given+"return "+a.try+"})()", chromedp.EvalAwaitPromise))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		if came != "refused" {
			succeeded = append(succeeded, a.name+": "+came)
		}
	}
	if err := b.closeWindows(ctx); err != nil {
		return nil, fmt.Errorf("close its windows: %w", err)
	}
	b.Problems()
	framed := fmt.Sprintf(`new Promise((done) => { const f = document.createElement("iframe"); f.src = %q; f.onload = () => done(true); document.body.append(f); })`, site.Origin+"/")
	if _, err := run(ctx, b, chromedp.Evaluate[bool](framed, chromedp.EvalAwaitPromise)); err != nil {
		return nil, err
	}
	if said := strings.Join(b.Problems(), "\n"); !regexp.MustCompile(`(?i)refused to (display|frame)|framing .* violates|frame-ancestors`).MatchString(said) {
		succeeded = append(succeeded, "frame: nothing refuses it: "+said)
	}
	return succeeded, nil
}

// closeWindows closes the windows that pages opened: a page cannot close one that a header
// of the site cut off from it, and the tab behind such a window is hidden, as for a user.
func (b *Browser) closeWindows(ctx context.Context) error {
	open, err := chromedp.Targets(b.page) //nolint:contextcheck // a browser is found by its context
	if err != nil {
		return err
	}
	own := chromedp.FromContext(b.page).Target.TargetID //nolint:contextcheck // as above
	for _, t := range open {
		if t.Type != "page" || t.TargetID == own {
			continue
		}
		if _, err := chromedp.CallBrowser(b.page, target.CloseTarget, target.CloseTargetParams{TargetID: t.TargetID}); err != nil { //nolint:contextcheck // as above
			return err
		}
	}
	_, err = chromedp.Call(b.page, page.BringToFront, cdp.Empty{}) //nolint:contextcheck // as above
	return errors.Join(err, ctx.Err())
}

// Submit has the page of an attacker, at address, send a form to the site as a click of its user would.
// It waits for the page that says why that was refused.
func (b *Browser) Submit(ctx context.Context, address, encoding string, site Site, refusal *regexp.Regexp) error {
	if err := b.Go(ctx, address); err != nil {
		return err
	}
	script := fmt.Sprintf(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = %q; f.enctype = %q;
		f.innerHTML = '<input name="do" value="kill"><input name="token" value="">'; document.body.append(f); f.submit(); })()`, site.Origin+site.Path, encoding)
	if err := b.do(ctx, evaluated(script)); err != nil {
		return err
	}
	return b.See(ctx, "body", refusal)
}

// Stranger opens an address in a browser that was never let in, and returns the text there.
func (b *Browser) Stranger(ctx context.Context, address string) (string, error) {
	tab, end := chromedp.NewContext(b.page, chromedp.WithNewBrowserContext())
	defer end()
	defer context.AfterFunc(ctx, end)()
	if err := chromedp.Do(tab, chromedp.Navigate(address)); err != nil { //nolint:contextcheck // a tab is found by its context; ctx bounds the step
		return "", errors.Join(err, ctx.Err())
	}
	return chromedp.Run(tab, chromedp.Evaluate[string]("document.documentElement.textContent")) //nolint:contextcheck // a tab is found by its context; ctx bounds the step
}
