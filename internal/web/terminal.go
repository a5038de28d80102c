package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
)

// terminalView is the body of a session's page.
type terminalView struct {
	sessionView
	VM, ID, Attach, Command string
	ReadOnly                bool
	Line                    string     // of the session
	Form                    url.Values // of the text to send
	Wrong                   wrongs
	Send                    string // the command that sends it
}

func (c *Console) terminalPage(w http.ResponseWriter, r *http.Request) {
	c.showTerminal(w, r, url.Values{"newline": {"yes"}}, wrongs{})
}

// showTerminal shows the page of a session, with the form of a text to send filled in.
func (c *Console) showTerminal(w http.ResponseWriter, r *http.Request, form url.Values, wrong wrongs) {
	c.page(w, r, "terminal", func(ctx context.Context, s *shell) error {
		name := r.PathValue("name")
		session, err := c.api.GetSession(ctx, name, r.PathValue("session"))
		if err != nil {
			return err
		}
		v, err := c.api.LookVM(ctx, name, 0)
		if err != nil {
			return err
		}
		form.Set("vm", v.Name)
		form.Set("session", session.Name)
		view := terminalView{
			sessionView: c.viewSession(&v, session), VM: v.Name, ID: session.ID, ReadOnly: r.URL.Query().Get("read-only") != "" || session.State != api.SessionRunning,
			Command: cmdline.Line(act.SessionAttach.On(v.Name, session.Name)), Line: commandLine(session.Command), Form: form, Wrong: wrong, Send: sendCommand(form, nil),
		}
		view.Attach = view.Path + "/attach"
		if view.ReadOnly {
			view.Attach += "?read-only=yes"
		}
		s.Title, s.Current, s.Body = session.Name+" in "+v.Name, v.Name, view
		s.Live = livePath(pageTerminal, url.Values{"of": {v.Name}, "section": {session.Name}})
		return nil
	})
}

// terminal adds what changes on the page of a session: its state.
func (p *parts) terminal(l *list, s *scene) {
	v := p.ofPage(s)
	if v == nil {
		return
	}
	for _, session := range v.sessions {
		if session.Name == p.section {
			l.add("session-state", "", "session-state", p.c.viewSession(&v.vm, session))
		}
	}
}
