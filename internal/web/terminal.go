package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
)

// terminalView is the body of a session's page.
type terminalView struct {
	sessionView
	VM, Attach, Command string
	ReadOnly            bool
	Line                string // of the session
}

func (c *Console) terminalPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "terminal", func(ctx context.Context, s *shell) error {
		vm := r.PathValue("name")
		session, err := c.api.GetSession(ctx, vm, r.PathValue("session"))
		if err != nil {
			return err
		}
		view := terminalView{
			sessionView: c.viewSession(session), VM: vm, ReadOnly: r.URL.Query().Get("read-only") != "" || session.State != "running",
			Command: cmdline.Line(act.SessionAttach.On(vm, session.Name)), Line: commandLine(session.Command),
		}
		view.Path = sessionPath(vm, session.Name)
		view.Attach = view.Path + "/attach"
		if view.ReadOnly {
			view.Attach += "?read-only=yes"
		}
		s.Title, s.Current, s.Body = session.Name+" in "+vm, vm, view
		s.Live = livePath(pageTerminal, url.Values{"of": {vm}, "section": {session.Name}})
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
			l.add("session-state", "", "session-state", p.c.viewSession(session))
		}
	}
}
