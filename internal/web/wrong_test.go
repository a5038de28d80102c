package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// posted is the page that a form is answered with.
func (b *browser) posted(path string, form url.Values) string {
	b.t.Helper()
	form.Set("token", b.token())
	body, _ := b.do(http.MethodPost, path, form, http.StatusOK)
	return body
}

func TestAllThatIsWrongWithAChangeIsShown(t *testing.T) {
	b := open(t)
	b.api.state = api.VMStopped
	form := url.Values{"was_vcpu": {"2"}, "vcpu": {"900"}, "memory": {"1"}, "was_memory": {"1GiB"}, "publish": {"x"}, "was_publish": {""}, "env": {"A=1\nB"}, "was_env": {"A=1"}}
	page := b.posted("/vms/web/set", form)
	wants(t, page, "4 fields are not as they must be", "vcpu 900 is more than this host's 4 CPUs", "memory size 1 byte is too small", `environment entry "B" is not valid`)
	for _, want := range []string{`value="900"`, `<a href="#publish">`, `aria-invalid="true" aria-describedby="env-p"`} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if len(b.api.calls) > 0 {
		t.Errorf("it did %v", b.api.calls)
	}
}

// A fault that is not of a field's text does not mark it.
func TestWhatIsWrongWithNoFieldMarksNone(t *testing.T) {
	b := open(t)
	b.api.state = api.VMStopped
	for code, marked := range map[fault.Code]bool{fault.Conflict: false, fault.Invalid: true} {
		b.api.err = fault.New(code, "no such luck").WithHint("try again")
		page := b.posted("/vms/web/rename", url.Values{"new": {"other"}})
		if wants(t, page, "no such luck", map[bool]string{true: "Try again", false: "try again"}[marked]); strings.Contains(page, "aria-invalid") != marked || !strings.Contains(page, `value="other"`) {
			t.Errorf("%s: marked is not %v, or what was typed is gone", code, marked)
		}
	}
}

// A session or a workspace that was refused leaves its form as it was filled in.
func TestRefusedFormsAreKept(t *testing.T) {
	b := open(t)
	b.api.err = fault.New(fault.Invalid, "no such directory")
	page := b.posted("/vms/web/sessions", url.Values{"command": {"make all"}, "name": {"mine"}, "dir": {"/nowhere"}})
	wants(t, page, "no such directory")
	for _, want := range []string{`value="make all"`, `value="mine"`, `value="/nowhere"`, `id="new-session" open`} {
		if !strings.Contains(page, want) {
			t.Errorf("the session's form has no %s", want)
		}
	}
	if strings.Contains(page, `value="yes" checked`) {
		t.Error("it is in a terminal again")
	}
	b.api.state = api.VMStopped
	wants(t, b.posted("/vms/web/sessions", url.Values{"command": {""}}), "no such directory")
	b.api.state, b.api.noWork = api.VMRunning, true
	page = b.posted("/vms/web/workspace", url.Values{"do": {"prepare"}, "path": {"/src"}, "to": {"/there"}, "mode": {"full_copy"}})
	for _, want := range []string{`value="/src"`, `value="/there"`, `value="full_copy" selected`, `aria-describedby="path-p"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the workspace's form has no %s", want)
		}
	}
	if strings.Contains(page, "data-renew") {
		t.Error("the form is read again, and what was typed goes")
	}
	b.api.err = nil
	if to := b.send("/vms/web/workspace", url.Values{"do": {"prepare"}, "path": {"/src"}, "mode": {"full_copy"}}); !strings.Contains(to, "path=%2Fsrc") {
		t.Errorf("an operation that fails leads to an empty form: %s", to)
	}
}
