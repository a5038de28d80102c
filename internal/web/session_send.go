package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// sendCommand writes the text of the form to the session's stdin.
func sendCommand(form, _ url.Values) string {
	t := typed(form, "vm", "session", "send", form.Get("vm"), form.Get("session"))
	bare := true
	for _, option := range []string{"newline", "eof"} {
		if form.Get(option) != "" {
			t.args, bare = append(t.args, "--"+option), false
		}
	}
	switch text := unixText(form.Get("text")); {
	case text == "" && bare:
		t.tail = " TEXT"
	case strings.HasPrefix(text, "-"):
		t.args = append(t.args, "--", text)
	case text != "":
		t.args = append(t.args, text)
	}
	return t.String()
}

// unixText is a text of a form, whose lines end as browsers end them.
func unixText(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// sendText writes what was typed to a session, if it is still the one that the page was of.
func (c *Console) sendText(w http.ResponseWriter, r *http.Request) {
	form, vm, name := r.PostForm, r.PathValue("name"), r.PathValue("session")
	sent, err := c.sendTo(r.Context(), vm, name, form)
	if err != nil {
		c.showTerminal(w, r, form, wrongWith("text", "Text", err))
		return
	}
	c.lead(w, r, sessionPath(vm, name), "Sent "+fault.Bytes(int64(sent))+" to session "+name)
}

func (c *Console) sendTo(ctx context.Context, vm, name string, form url.Values) (sent int, err error) {
	text, end := unixText(form.Get("text")), form.Get("eof") != ""
	if form.Get("newline") != "" {
		text += "\n"
	}
	switch {
	case text == "" && !end:
		return 0, fault.New(fault.Invalid, "there is nothing to send").WithHint("type something")
	case len(text) > client.MaxSend:
		return 0, fault.New(fault.Invalid, "%s are too many", fault.Bytes(int64(len(text)))).WithHint("send at most %s", fault.Bytes(client.MaxSend))
	}
	s, err := c.sessionAsShown(ctx, vm, name, form.Get("id"))
	if err != nil {
		return 0, err
	}
	return len(text), c.api.SendSession(ctx, vm, s.ID, []byte(text), end)
}

// sessionAsShown is the session with the name, if it is the one with this ID.
func (c *Console) sessionAsShown(ctx context.Context, vm, name, id string) (api.Session, error) {
	s, err := c.api.GetSession(ctx, vm, name)
	if err == nil && s.ID != id {
		err = fault.New(fault.Conflict, "session %s is not as the page showed it", name).WithHint("look at it again")
	}
	return s, err
}
