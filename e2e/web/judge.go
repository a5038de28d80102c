package web

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Look shows the page in a theme ("light" or "dark", as the system of its user), on a
// screen of so many pixels.
func (b *Browser) Look(ctx context.Context, theme string, width, height int64) error {
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	emulate := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
		return err
	})
	return b.do(ctx, chromedp.Steps(emulate, chromedp.EmulateViewport(width, height)))
}

// Picture writes a picture of the whole page, as PNG.
func (b *Browser) Picture(ctx context.Context, path string) error {
	const lossless = 100
	data, err := run(ctx, b, chromedp.FullScreenshot(lossless))
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// Overflow names the elements that make the page wider than its window, and the panels
// that are narrower than what is in them: none where all can be seen and clicked.
func (b *Browser) Overflow(ctx context.Context) ([]string, error) {
	return run(ctx, b, chromedp.Evaluate[[]string](`(() => {
		const named = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.className.baseVal ?? e.className ? "." + (e.className.baseVal ?? e.className) : "") + " " + e.textContent.trim().slice(0, 40);
		const root = document.documentElement, wide = root.clientWidth;
		const out = [...document.querySelectorAll(".panel, .term, .dialog")].filter((e) => e.scrollWidth > e.clientWidth)
			.map((e) => "by " + (e.scrollWidth - e.clientWidth) + " px out of " + named(e));
		if (root.scrollWidth > wide) out.push(...[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 0.5).map(named).slice(-5));
		return out;
	})()`))
}

// Barriers runs axe-core, whose script is given, on the page and returns what it finds
// that keeps people out: rule, element, and why.
func (b *Browser) Barriers(ctx context.Context, axe string) ([]string, error) {
	loaded, err := run(ctx, b, chromedp.Evaluate[bool](`typeof axe !== "undefined"`))
	if err != nil {
		return nil, err
	}
	if !loaded {
		if err := b.do(ctx, evaluated(axe)); err != nil {
			return nil, err
		}
	}
	found, err := run(ctx, b, chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ["violations"], preload: false}).then((r) =>
		r.violations.flatMap((v) => v.nodes.map((n) => v.id + " (" + v.impact + "): " + n.target.join(" ") + " " + n.html.slice(0, 160) + ": " + n.failureSummary)))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, fmt.Errorf("axe-core: %w", err)
	}
	for i := range found {
		found[i] = strings.Join(strings.Fields(found[i]), " ")
	}
	return found, nil
}

// evaluated runs a script in the page for what it leaves there.
func evaluated(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: script + "; 0"})
		return err
	})
}
