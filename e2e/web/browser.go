// Package web drives a real browser, for the end-to-end tests of the web console.
package web

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Program is the browser, of Debian's package of the same name.
const Program = "chromium"

// pollEvery is how often a page is looked at while something is waited for.
const pollEvery = 50 * time.Millisecond

// local is the rule by which the browser finds no hosts but this one: what it asks its
// maker for by itself is none of a test's.
const local = "MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE localhost, EXCLUDE 127.*"

// violations has the page tell of what its policy refused.
const violations = `addEventListener("securitypolicyviolation", (e) => console.error("policy: " + e.violatedDirective + " " + e.blockedURI))`

// Browser is a browser with one page. It is for one goroutine.
type Browser struct {
	page  context.Context //nolint:containedctx // chromedp keeps a page in a context
	close func()
	crowd []context.CancelFunc // end further pages

	mu       sync.Mutex
	address  string // what was opened last
	problems []string
}

// Open starts a browser that keeps its profile below dir. It ends with Close, or with ctx.
func Open(ctx context.Context, dir string) (*Browser, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(Program), chromedp.UserDataDir(dir), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 800),
		chromedp.Flag("host-resolver-rules", local))
	allocated, endAllocation := chromedp.NewExecAllocator(ctx, options...)
	tab, endTab := chromedp.NewContext(allocated)
	b := &Browser{page: tab, close: func() { _ = chromedp.Cancel(tab); endTab(); endAllocation() }}
	if err := b.begin(); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", Program, err)
	}
	return b, nil
}

// begin starts the program, and listens to what its page complains of.
func (b *Browser) begin() error {
	if err := chromedp.Do(b.page); err != nil {
		return err
	}
	if err := chromedp.Listen(b.page, b.hear); err != nil {
		return err
	}
	_, err := chromedp.Call(b.page, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: violations})
	return err
}

// Close ends the browser.
func (b *Browser) Close() {
	for _, end := range b.crowd {
		end()
	}
	b.close()
}

// hear notes what the page complains of.
func (b *Browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// The status of a page itself is nothing that it complains of: see Status.
		if e.Entry.URL != "" && e.Entry.URL == b.address && e.Entry.Source == log.EntrySourceNetwork {
			return
		}
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.problems = append(b.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.problems = append(b.problems, fmt.Sprintf("console.%s: %s", e.Type, e.Args[0].Value))
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	}
}

// Problems returns what pages complained of since it was last asked.
func (b *Browser) Problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := b.problems
	b.problems = nil
	return found
}

// Go opens an address, or a path of the site that is open.
func (b *Browser) Go(ctx context.Context, address string) error {
	if strings.HasPrefix(address, "/") {
		origin, err := run(ctx, b, chromedp.Evaluate[string]("location.origin"))
		if err != nil {
			return err
		}
		address = origin + address
	}
	b.mu.Lock()
	b.address = address
	b.mu.Unlock()
	return b.do(ctx, chromedp.Navigate(address))
}

// Status is the HTTP status of the page.
func (b *Browser) Status(ctx context.Context) (int, error) {
	return run(ctx, b, chromedp.Evaluate[int](`performance.getEntriesByType("navigation")[0].responseStatus`))
}

// See waits until the text of the elements that selector finds matches.
func (b *Browser) See(ctx context.Context, selector string, want *regexp.Regexp) error {
	expression := fmt.Sprintf("[...document.querySelectorAll(%q)].map((e) => e.textContent).join(' ')", selector)
	latest := ""
	for {
		text, err := run(ctx, b, chromedp.Evaluate[string](expression))
		if err == nil && want.MatchString(text) {
			return nil
		}
		switch {
		case err == nil:
			latest = text
		case latest == "":
			latest = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s says %q, which does not match %s; the page complains: %q; it says: %s", selector, latest, want, b.Problems(), b.shown(ctx))
		case <-time.After(pollEvery):
		}
	}
}

// shownTime is how long a page that disappointed may take to say what it shows.
const shownTime = 5 * time.Second

// shown is what the page shows, for the message of what was waited for in vain.
func (b *Browser) shown(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shownTime)
	defer cancel()
	text, err := run(ctx, b, chromedp.Evaluate[string](`document.visibilityState + " " + location.href + " " + document.body.innerText.slice(0, 4000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// Is waits until an expression of the page is true.
func (b *Browser) Is(ctx context.Context, expression string) error {
	for {
		if is, err := run(ctx, b, chromedp.Evaluate[bool](expression)); err == nil && is {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not in time", expression)
		case <-time.After(pollEvery):
		}
	}
}

// Value is what an expression of the page gives, as text.
func (b *Browser) Value(ctx context.Context, expression string) (string, error) {
	return run(ctx, b, chromedp.Evaluate[string]("String("+expression+")"))
}

// Run runs a script in the page.
func (b *Browser) Run(ctx context.Context, script string) error { return b.do(ctx, evaluated(script)) }

// Click clicks the first element that selector finds.
func (b *Browser) Click(ctx context.Context, selector string) error {
	return b.at(ctx, chromedp.Click(chromedp.CSS(selector)))
}

// Fill replaces what is in a field, as typing does.
func (b *Browser) Fill(ctx context.Context, selector, text string) error {
	if err := b.at(ctx, chromedp.Focus(chromedp.CSS(selector))); err != nil {
		return err
	}
	if err := b.do(ctx, evaluated("document.activeElement.select()")); err != nil {
		return err
	}
	return b.Type(ctx, text, false)
}

// Focus gives an element the focus.
func (b *Browser) Focus(ctx context.Context, selector string) error {
	return b.at(ctx, chromedp.Focus(chromedp.CSS(selector)))
}

// Follow opens where the first link that selector finds leads, and returns the text there.
func (b *Browser) Follow(ctx context.Context, selector string) (text string, err error) {
	address, err := run(ctx, b, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).href", selector)))
	if err != nil {
		return "", err
	}
	tab, end := chromedp.NewContext(b.page)
	defer end()
	if err := chromedp.Do(tab, chromedp.Navigate(address)); err != nil { //nolint:contextcheck // a tab is found by its context; ctx bounds the step
		return "", err
	}
	return chromedp.Run(tab, chromedp.Evaluate[string]("document.documentElement.textContent")) //nolint:contextcheck // a tab is found by its context; ctx bounds the step
}

// Crowd opens an address in so many pages more, all of which are seen, and returns once
// each has loaded. They stay until the browser ends.
func (b *Browser) Crowd(ctx context.Context, n int, path string) error { //nolint:contextcheck // a tab is found by its context; ctx bounds the step
	address, err := run(ctx, b, chromedp.Evaluate[string](fmt.Sprintf("new URL(%q, location).href", path)))
	if err != nil {
		return err
	}
	for i := range n {
		tab, end := chromedp.NewContext(b.page)
		b.crowd = append(b.crowd, end)
		shown := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
			return err
		})
		loaded := make(chan error, 1)
		go func() { loaded <- chromedp.Do(tab, chromedp.Steps(shown, chromedp.Navigate(address))) }()
		select {
		case err = <-loaded:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", i+1, err)
		}
	}
	return nil
}

// replaced is the browser's error for an element that is not on the page any more.
var replaced = regexp.MustCompile(`(?i)(could not find node|node with given id)`)

// at does what an element is needed for, with its successor where a live page replaces it
// meanwhile.
func (b *Browser) at(ctx context.Context, action chromedp.Action[chromedp.Void]) error {
	for {
		err := b.do(ctx, action)
		if err == nil || ctx.Err() != nil || !replaced.MatchString(err.Error()) {
			return err
		}
	}
}

func (b *Browser) do(ctx context.Context, action chromedp.Action[chromedp.Void]) error {
	_, err := run(ctx, b, action)
	return err
}

// run does one step on the page until it is done or ctx ends.
func run[T any](ctx context.Context, b *Browser, action chromedp.Action[T]) (T, error) {
	step, cancel := context.WithCancel(b.page)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return chromedp.Run(step, action) //nolint:contextcheck // a tab is found by its context; ctx bounds the step
}
