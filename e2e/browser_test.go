//go:build e2e

package e2e

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/e2e/web"
)

// browserTime is how long a step may take.
const browserTime = 30 * time.Second

// browserVerb has a browser, of one script.
type browserVerb struct {
	browser  *web.Browser
	pictures string // where pictures of pages go; empty: none are made
}

// browserStep is one of its verbs, with up to two arguments.
type browserStep func(ctx context.Context, ts *testscript.TestScript, first, second string)

func (v *browserVerb) steps() map[string]browserStep {
	return map[string]browserStep{
		"open LINKFILE": func(ctx context.Context, ts *testscript.TestScript, file, _ string) {
			v.open(ctx, ts, strings.TrimSpace(ts.ReadFile(file)))
		},
		"enter LINKFILE": func(ctx context.Context, ts *testscript.TestScript, file, _ string) {
			ts.Check(v.browser.Go(ctx, strings.TrimSpace(ts.ReadFile(file))))
		},
		"go PATH": func(ctx context.Context, ts *testscript.TestScript, path, _ string) {
			ts.Check(v.browser.Go(ctx, path))
		},
		"see SELECTOR REGEXP": func(ctx context.Context, ts *testscript.TestScript, selector, pattern string) {
			ts.Check(v.browser.See(ctx, selector, regexp.MustCompile(pattern)))
		},
		"is EXPRESSION": func(ctx context.Context, ts *testscript.TestScript, expression, _ string) {
			ts.Check(v.browser.Is(ctx, expression))
		},
		"click SELECTOR": func(ctx context.Context, ts *testscript.TestScript, selector, _ string) {
			ts.Check(v.browser.Click(ctx, selector))
		},
		"focus SELECTOR": func(ctx context.Context, ts *testscript.TestScript, selector, _ string) {
			ts.Check(v.browser.Focus(ctx, selector))
		},
		"reach SELECTOR": func(ctx context.Context, ts *testscript.TestScript, selector, _ string) {
			ts.Check(v.browser.Reach(ctx, selector))
		},
		"type TEXT": func(ctx context.Context, ts *testscript.TestScript, text, _ string) {
			ts.Check(v.browser.Type(ctx, strings.ReplaceAll(text, `\r`, "\r"), false))
		},
		"ctrl KEY": func(ctx context.Context, ts *testscript.TestScript, key, _ string) {
			ts.Check(v.browser.Type(ctx, key, true))
		},
		"press KEY": func(ctx context.Context, ts *testscript.TestScript, key, _ string) {
			ts.Check(v.browser.Press(ctx, key))
		},
		"fill SELECTOR TEXT": func(ctx context.Context, ts *testscript.TestScript, selector, text string) {
			ts.Check(v.browser.Fill(ctx, selector, text))
		},
		"follow SELECTOR REGEXP": func(ctx context.Context, ts *testscript.TestScript, selector, pattern string) {
			text, err := v.browser.Follow(ctx, selector)
			ts.Check(err)
			if !regexp.MustCompile(pattern).MatchString(text) {
				ts.Fatalf("it leads to %q", text)
			}
		},
		"save VAR EXPRESSION": func(ctx context.Context, ts *testscript.TestScript, key, expression string) {
			text, err := v.browser.Value(ctx, expression)
			ts.Check(err)
			ts.Setenv(key, text)
		},
		"walk FILE":     func(ctx context.Context, ts *testscript.TestScript, file, _ string) { v.walk(ctx, ts, file) },
		"stops FILE":    func(ctx context.Context, ts *testscript.TestScript, file, _ string) { v.stops(ctx, ts, file) },
		"trespass PATH": func(ctx context.Context, ts *testscript.TestScript, path, _ string) { v.trespass(ctx, ts, path) },
		"squat":         func(ctx context.Context, ts *testscript.TestScript, _, _ string) { v.squat(ctx, ts) },
		"kept":          func(ctx context.Context, ts *testscript.TestScript, _, _ string) { v.kept(ctx, ts) },
		"other-user":    func(ctx context.Context, ts *testscript.TestScript, _, _ string) { v.otherUser(ctx, ts) },
		"useless COOKIE": func(ctx context.Context, ts *testscript.TestScript, cookie, _ string) {
			v.useless(ctx, ts, cookie)
		},
		"stranger LINKFILE|PATH REGEXP": func(ctx context.Context, ts *testscript.TestScript, address, pattern string) {
			v.stranger(ctx, ts, address, pattern)
		},
		"texts FILE": func(ctx context.Context, ts *testscript.TestScript, file, _ string) { v.texts(ctx, ts, file) },
		"crowd N PATH": func(ctx context.Context, ts *testscript.TestScript, count, path string) {
			n, err := strconv.Atoi(count)
			ts.Check(err)
			ts.Check(v.browser.Crowd(ctx, n, path))
		},
		"clean": func(_ context.Context, ts *testscript.TestScript, _, _ string) {
			if found := v.browser.Problems(); len(found) > 0 {
				ts.Fatalf("the page complains:\n%s", strings.Join(found, "\n"))
			}
		},
		"forget": func(context.Context, *testscript.TestScript, string, string) { v.browser.Problems() },
	}
}

func (v *browserVerb) run(ts *testscript.TestScript, neg bool, args []string) {
	args = append(args, "", "", "")
	steps := v.steps()
	for usage, step := range steps {
		if verb, _, _ := strings.Cut(usage, " "); !neg && verb == args[0] && (v.browser != nil || verb == "open") {
			ctx, cancel := context.WithTimeout(context.Background(), scaled(browserTime))
			defer cancel()
			step(ctx, ts, args[1], args[2])
			return
		}
	}
	ts.Fatalf("usage: browser open LINKFILE, then: %s", strings.Join(slices.Sorted(maps.Keys(steps)), " | "))
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
	if os.Getenv(envPictures) != "" {
		v.pictures = filepath.Join(os.Getenv(envBase), picturesBelow)
		ts.Check(os.MkdirAll(v.pictures, 0o755))
	}
}
