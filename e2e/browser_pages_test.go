//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/e2e/fixture"
)

const (
	// envPictures names a directory for pictures of every page that a script walks.
	envPictures = "BANGER_E2E_PICTURES"
	// picturesBelow is where a script leaves them, below its base.
	picturesBelow = "pictures"
	// pageTime is how long all looks at one page may take.
	pageTime = 2 * time.Minute
)

// walk opens each page of a file, a name and a path on a line, and fails for what a page
// complains of, what keeps people out of it in either theme, and what is wider than its
// window or panel.
func (v *browserVerb) walk(ctx context.Context, ts *testscript.TestScript, file string) {
	axe, err := os.ReadFile(filepath.Join(ts.Getenv("FIXTURES"), fixture.Axe))
	ts.Check(err)
	v.each(ctx, ts, file, func(ctx context.Context, name, path string) ([]string, error) {
		return v.judge(ctx, string(axe), name, path)
	})
}

// stops passes through each page of a file by Tab.
func (v *browserVerb) stops(ctx context.Context, ts *testscript.TestScript, file string) {
	v.each(ctx, ts, file, func(ctx context.Context, _, path string) ([]string, error) {
		if err := v.visit(ctx, path); err != nil {
			return nil, err
		}
		return v.browser.Stops(ctx)
	})
}

// each calls look with each page of a file, and fails for all that it finds.
func (v *browserVerb) each(ctx context.Context, ts *testscript.TestScript, file string, look func(ctx context.Context, name, path string) ([]string, error)) {
	var wrong []string
	for line := range strings.Lines(ts.ReadFile(file)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), scaled(pageTime))
		found, err := look(one, fields[0], os.Expand(fields[1], ts.Getenv))
		cancel()
		if err != nil {
			found = append(found, err.Error())
		}
		for _, f := range found {
			wrong = append(wrong, fields[0]+": "+f)
		}
	}
	if len(wrong) > 0 {
		ts.Fatalf("%d problems:\n%s", len(wrong), strings.Join(wrong, "\n"))
	}
}

// visit opens a page, and waits until it is live.
func (v *browserVerb) visit(ctx context.Context, path string) error {
	if err := v.browser.Go(ctx, path); err != nil {
		return err
	}
	return v.browser.Is(ctx, `!document.body.dataset.live || document.querySelector("#live").textContent.includes("Live")`)
}

func (v *browserVerb) judge(ctx context.Context, axe, name, path string) (found []string, err error) {
	b := v.browser
	if err := b.Look(ctx, "light", 1280, 900); err != nil {
		return nil, err
	}
	if err := v.visit(ctx, path); err != nil {
		return nil, err
	}
	status, err := b.Status(ctx)
	if err != nil {
		return nil, err
	}
	if found = b.Problems(); status != http.StatusOK && !strings.HasPrefix(name, "no-") {
		found = append(found, fmt.Sprintf("it has the status %d", status))
	}
	for _, l := range looks() {
		more, err := v.look(ctx, axe, l, fmt.Sprintf("%s-%s-%d.png", name, l.theme, l.width))
		if err != nil {
			return nil, err
		}
		for _, f := range more {
			found = append(found, fmt.Sprintf("%s, %d px: %s", l.theme, l.width, f))
		}
	}
	return append(found, b.Problems()...), nil
}

// aLook is a theme and a screen. axe-core takes long: where it finds the same as elsewhere,
// it is not run.
type aLook struct {
	theme         string
	width, height int64
	axe           bool
}

func looks() []aLook {
	return []aLook{
		{theme: "light", width: 1920, height: 1080, axe: true},
		{theme: "light", width: 1366, height: 768},
		{theme: "light", width: 1280, height: 900, axe: true},
		{theme: "light", width: 1200, height: 900},
		{theme: "light", width: 1000, height: 900},
		{theme: "light", width: 360, height: 740, axe: true},
		{theme: "dark", width: 1920, height: 1080},
		{theme: "dark", width: 1280, height: 900, axe: true},
		{theme: "dark", width: 360, height: 740},
	}
}

// look judges the page as it is shown on a screen.
func (v *browserVerb) look(ctx context.Context, axe string, l aLook, picture string) (found []string, err error) {
	if err := v.browser.Look(ctx, l.theme, l.width, l.height); err != nil {
		return nil, err
	}
	wide, err := v.browser.Overflow(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range wide {
		found = append(found, "too wide: "+w)
	}
	if l.axe {
		barriers, err := v.browser.Barriers(ctx, axe)
		if err != nil {
			return nil, err
		}
		found = append(found, barriers...)
	}
	if v.pictures == "" {
		return found, nil
	}
	return found, v.browser.Picture(ctx, filepath.Join(v.pictures, picture))
}

// keepPictures copies the pictures of a script that ran to where they are wanted.
func keepPictures(t *testing.T, base string) {
	t.Helper()
	to, from := os.Getenv(envPictures), filepath.Join(base, picturesBelow)
	if _, err := os.Stat(from); to == "" || err != nil {
		return
	}
	if err := tool(context.WithoutCancel(t.Context()), "cp", "-r", from, to); err != nil {
		t.Error(err)
	}
}
