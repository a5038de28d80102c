//go:build e2e

package e2e

import (
	"context"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/e2e/web"
)

const browserUsage = `browser VERB: open FILE (the link that banger web prints) | go PATH | see SELECTOR REGEXP | is EXPRESSION | click SELECTOR |
	focus SELECTOR | type TEXT | ctrl KEY | follow SELECTOR REGEXP | clean | forget`

// browserTime is how long a step may take.
const browserTime = 30 * time.Second

// browserVerb has a browser, of one script.
type browserVerb struct{ browser *web.Browser }

func (v *browserVerb) run(ts *testscript.TestScript, neg bool, args []string) {
	args = append(args, "", "", "")
	verb, first, second := args[0], args[1], args[2]
	want(ts, neg, verb != "" && (v.browser != nil || verb == "open"), browserUsage)
	ctx, cancel := context.WithTimeout(context.Background(), scaled(browserTime))
	defer cancel()
	switch verb {
	case "open":
		v.open(ctx, ts, strings.TrimSpace(ts.ReadFile(first)))
	case "go":
		ts.Check(v.browser.Go(ctx, first))
	case "see":
		ts.Check(v.browser.See(ctx, first, regexp.MustCompile(second)))
	case "is":
		ts.Check(v.browser.Is(ctx, first))
	case "click":
		ts.Check(v.browser.Click(ctx, first))
	case "focus":
		ts.Check(v.browser.Focus(ctx, first))
	case "type":
		ts.Check(v.browser.Type(ctx, strings.ReplaceAll(first, `\r`, "\r"), false))
	case "ctrl":
		ts.Check(v.browser.Type(ctx, first, true))
	case "follow":
		text, err := v.browser.Follow(ctx, first)
		ts.Check(err)
		if !regexp.MustCompile(second).MatchString(text) {
			ts.Fatalf("it leads to %q", text)
		}
	case "clean":
		if found := v.browser.Problems(); len(found) > 0 {
			ts.Fatalf("the page complains:\n%s", strings.Join(found, "\n"))
		}
	case "forget":
		v.browser.Problems()
	default:
		ts.Fatalf("usage: %s", browserUsage)
	}
}

func (v *browserVerb) open(ctx context.Context, ts *testscript.TestScript, link string) {
	dir, err := os.MkdirTemp(ts.Getenv("TMPDIR"), "browser-")
	ts.Check(err)
	v.browser, err = web.Open(context.WithoutCancel(ctx), dir)
	ts.Check(err)
	ts.Defer(func() {
		v.browser.Close()
		_ = os.RemoveAll(dir)
	})
	ts.Check(v.browser.Go(ctx, link))
}
