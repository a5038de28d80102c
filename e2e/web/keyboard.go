package web

import (
	"context"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// maxStops bounds how many elements of a page are visited by Tab.
const maxStops = 400

// Press presses a key by its name, such as Tab, Enter, Space, Escape or ArrowDown, or a
// character; with "shift+" or "ctrl+" before it, with that held.
func (b *Browser) Press(ctx context.Context, name string) error {
	var modifiers chromedp.Modifier
	key, shift := strings.CutPrefix(name, "shift+")
	if shift {
		modifiers = chromedp.ModifierShift
	}
	key, control := strings.CutPrefix(key, "ctrl+")
	if control {
		modifiers |= chromedp.ModifierCtrl
	}
	named := map[string]string{
		"Tab": kb.Tab, "Enter": kb.Enter, "Space": " ", "Escape": kb.Escape, "End": kb.End, "Home": kb.Home,
		"ArrowDown": kb.ArrowDown, "ArrowUp": kb.ArrowUp, "ArrowLeft": kb.ArrowLeft, "ArrowRight": kb.ArrowRight,
	}
	if text, ok := named[key]; ok {
		key = text
	}
	return b.dispatch(ctx, key, modifiers)
}

// dispatch presses the keys of a text.
func (b *Browser) dispatch(ctx context.Context, text string, modifiers chromedp.Modifier) error {
	for _, r := range text {
		for _, key := range keysOf(r, modifiers) {
			step := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, input.DispatchKeyEvent, key)
				return err
			})
			if err := b.do(ctx, step); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reach presses Tab until the focus is at the first element that selector finds.
func (b *Browser) Reach(ctx context.Context, selector string) error {
	there := fmt.Sprintf("document.activeElement === document.querySelector(%q)", selector)
	for range maxStops {
		if err := b.Press(ctx, "Tab"); err != nil {
			return err
		}
		if is, err := run(ctx, b, chromedp.Evaluate[bool](there)); err != nil || is {
			return err
		}
	}
	return fmt.Errorf("%d times Tab do not reach %s", maxStops, selector)
}

// stops visits a page by Tab. Each step tells what is wrong with the element that has the
// focus, and whether it has been there before.
const stops = `window.stops ??= (() => {
	const seen = new Set(), says = (e) => e.outerHTML.slice(0, 120);
	const shown = (e) => e.checkVisibility({checkOpacity: false, checkVisibilityCSS: true});
	const ringed = (e) => [e, e.closest("label"), e.parentElement].some((e) => {
		if (!e) return false;
		const s = getComputedStyle(e);
		return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1.5 && s.outlineColor !== "transparent";
	});
	// What comes or is replaced while the page is visited is none of the visit.
	const there = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")];
	return {
		step() {
			const e = document.activeElement;
			if (!e || e === document.body || seen.has(e)) return {over: true, wrong: ""};
			seen.add(e);
			const box = e.getBoundingClientRect(), wrong = [];
			if (!ringed(e)) wrong.push("the focus is not seen");
			if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) wrong.push("it is out of view");
			return {over: false, wrong: wrong.length ? says(e) + ": " + wrong.join(", ") : ""};
		},
		missed() {
			return there.filter((e) => e.isConnected && shown(e) && !e.disabled && !e.closest(".xterm") && !seen.has(e) && !(e.type === "radio" && [...seen].some((s) => s.name === e.name)))
				.map((e) => says(e) + ": Tab does not reach it");
		},
	};
})();`

// Stops presses Tab through a page that was just opened, with all of its menus and details
// open, and says which elements the focus does not reach, or is not seen at.
func (b *Browser) Stops(ctx context.Context) (wrong []string, err error) {
	if err := b.Run(ctx, `for (const d of document.querySelectorAll("details")) d.open = true`); err != nil {
		return nil, err
	}
	for range maxStops {
		if err := b.Press(ctx, "Tab"); err != nil {
			return nil, err
		}
		at, err := run(ctx, b, chromedp.Evaluate[struct {
			Over  bool   `json:"over"`
			Wrong string `json:"wrong"`
		}](stops+"window.stops.step()"))
		if err != nil {
			return nil, err
		}
		if at.Over {
			missed, err := run(ctx, b, chromedp.Evaluate[[]string]("window.stops.missed()"))
			return append(wrong, missed...), err
		}
		if at.Wrong != "" {
			wrong = append(wrong, at.Wrong)
		}
	}
	return nil, fmt.Errorf("no end of the page after Tab was pressed %d times", maxStops)
}

// Type types text where the focus is; with control each key with ctrl held. As at a
// real keyboard, a key that the page takes for itself writes no character.
func (b *Browser) Type(ctx context.Context, text string, control bool) error {
	if control {
		return b.dispatch(ctx, text, chromedp.ModifierCtrl)
	}
	return b.dispatch(ctx, text, chromedp.ModifierNone)
}

// keysOf are a key going down with its character, and up.
func keysOf(r rune, modifiers chromedp.Modifier) []input.DispatchKeyEventParams {
	control := modifiers&chromedp.ModifierCtrl != 0
	var keys []input.DispatchKeyEventParams
	for _, key := range kb.Encode(r) {
		key.Modifiers |= int64(modifiers)
		if key.Type != kb.KeyChar {
			keys = append(keys, *key)
		} else if len(keys) > 0 && !control {
			keys[len(keys)-1].Text = key.Text
		}
	}
	return keys
}
