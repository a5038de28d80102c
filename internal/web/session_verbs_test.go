package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// Text and signals go to the session that the page was of, and the command says the same.
func TestTextAndSignalsForASession(t *testing.T) {
	b := open(t)
	const path = "/vms/web/sessions/agent"
	wants(t, b.get(path, http.StatusOK), "Send text…", "banger vm session send web")
	wants(t, b.get(path+"/kill", http.StatusOK), "what they have not written is lost", "banger vm session kill web")
	wants(t, b.get("/vms/web", http.StatusOK), "banger vm session send web", "TEXT", "banger vm session kill web", "banger vm session stop web")
	for _, c := range []struct {
		to, want, command string
		form              url.Values
	}{
		{"send", `send session web s1 "a\nb\n" eof=false`, "banger vm session send web agent --newline 'a\nb'", url.Values{"text": {"a\r\nb"}, "newline": {"yes"}}},
		{"send", `send session web s1 "x" eof=true`, "banger vm session send web agent --eof x", url.Values{"text": {"x"}, "eof": {"yes"}}},
		{"send", `send session web s1 "" eof=true`, "banger vm session send web agent --eof<", url.Values{"eof": {"yes"}}},
		{"send", `send session web s1 "-n" eof=false`, "banger vm session send web agent -- -n<", url.Values{"text": {"-n"}}},
		{"kill", "kill session web s1 INT", "banger vm session kill web agent --signal int", url.Values{"signal": {"int"}}},
		{"kill", "kill session web s1 KILL", "banger vm session kill web agent<", url.Values{"signal": {""}}},
	} {
		b.api.calls = nil
		c.form["id"], c.form["vm"], c.form["session"] = []string{"s1"}, []string{"web"}, []string{"agent"}
		if to := b.send(path+"/"+c.to, c.form); !strings.Contains(to, "did=Sent") || strings.Join(b.api.calls, ", ") != c.want {
			t.Errorf("%v: %s after %q", c.form, to, b.api.calls)
		}
		c.form.Set("part", "1")
		if part := b.posted("/command/"+c.to, c.form); !strings.Contains(strings.ReplaceAll(part, "&#39;", "'"), c.command) {
			t.Errorf("%v: the command is not %s: %s", c.form, c.command, part)
		}
	}
}

func TestTextThatIsNotSentStays(t *testing.T) {
	b := open(t)
	const path = "/vms/web/sessions/agent"
	for want, form := range map[string]url.Values{
		"there is nothing to send": {"id": {"s1"}}, "not as the page showed it": {"id": {"s2"}, "text": {"mine"}},
		"64 KiB are too many": {"id": {"s1"}, "text": {strings.Repeat("x", 64<<10)}, "newline": {"yes"}},
	} {
		if page := b.posted(path+"/send", form); strings.Contains(want, "KiB") {
			wants(t, page, "at most 64 KiB")
		} else if wants(t, page, want); !strings.Contains(page, form.Get("text")+"</textarea>") {
			t.Errorf("%s: what was typed is gone", want)
		}
	}
	wants(t, b.posted(path+"/kill", url.Values{"id": {"s2"}, "signal": {"TERM"}}), "not as the page showed it")
	if len(b.api.calls) > 0 {
		t.Errorf("it did %v", b.api.calls)
	}
	b.api.err = fault.New(fault.Invalid, `signal "LOUD" is not known`)
	if page := b.posted(path+"/kill", url.Values{"id": {"s1"}, "signal": {"LOUD"}}); !strings.Contains(page, `value="LOUD"`) || !strings.Contains(page, `aria-invalid="true"`) {
		t.Error("the signal is not marked, or gone")
	}
}

// What is lost is not offered.
func TestOutputThatIsLostIsNotOffered(t *testing.T) {
	b := open(t)
	for _, c := range []struct {
		vm, session string
		offered     bool
	}{
		{api.VMRunning, api.SessionExited, true}, {api.VMRunning, api.SessionLost, false}, {api.VMStopped, api.SessionExited, false}, {api.VMRunning, api.SessionFailed, false},
	} {
		b.api.state, b.api.session = c.vm, c.session
		page, terminal := b.get("/vms/web", http.StatusOK), b.get("/vms/web/sessions/agent", http.StatusOK)
		if strings.Contains(page, ">Output<") != c.offered || strings.Contains(terminal, `id="term"`) != c.offered || strings.Contains(terminal, "terminal.js") != c.offered {
			t.Errorf("of a session %s in a VM %s: offered is not %v", c.session, c.vm, c.offered)
		}
		if strings.Contains(page, "session send") {
			t.Errorf("text can be sent to a session that is %s", c.session)
		}
	}
}

func TestAVMSaysWhyItEnded(t *testing.T) {
	b := open(t)
	b.api.state, b.api.reason = api.VMStopped, "killed"
	wants(t, b.get("/vms/web", http.StatusOK), "Killed on request")
	wants(t, b.get("/vms/web/egress", http.StatusOK), "Killed on request")
	b.api.state, b.api.reason = api.VMFailed, "vmm-failed"
	wants(t, b.get("/vms/web", http.StatusOK), "The VM crashed: its VMM ended by itself or by a signal", hostile[:8])
	b.api.state = api.VMRunning
	if strings.Contains(b.get("/vms/web", http.StatusOK), "crashed") {
		t.Error("it runs, and the page says how it ended before")
	}
	p, _ := b.live("page=vm&of=web")
	v := b.api.vm()
	v.State, v.ExitReason, v.Runtime = api.VMStopped, "guest-poweroff", nil
	b.api.more <- event(api.EventVM, api.ActionChanged, "1", v)
	p.has("vm-ended", "powered off by itself")
}
