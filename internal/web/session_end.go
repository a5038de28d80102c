package web

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// endAct is what ends a session that runs, or removes one that has ended.
type endAct struct {
	Word  string // on the button
	Loses string
	verb  act.InVM
	do    func(ctx context.Context, a API, s api.Session) error
}

// endActOf is the one that is possible now.
func endActOf(s api.Session) endAct {
	if s.EndedAt == nil && s.State == api.SessionRunning {
		return endAct{"Stop", "Its programs end: they are asked to, and killed after 10 s.", act.SessionStop, func(ctx context.Context, a API, s api.Session) error {
			_, err := a.StopSession(ctx, s.VM, s.ID, api.StopSession{})
			return err
		}}
	}
	return endAct{"Delete", "Its output is lost.", act.SessionDelete, func(ctx context.Context, a API, s api.Session) error { return a.RemoveSession(ctx, s.VM, s.ID) }}
}

// endView is the body of the page that asks before a session ends or is removed.
type endView struct {
	endAct
	VM, Name, ID  string
	Path, Command string
}

func (c *Console) endPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "session-end", func(ctx context.Context, s *shell) error {
		vm := r.PathValue("name")
		session, err := c.api.GetSession(ctx, vm, r.PathValue("session"))
		if err != nil {
			return err
		}
		view := endView{endAct: endActOf(session), VM: vm, Name: session.Name, ID: session.ID, Path: sessionPath(vm, session.Name)}
		view.Command = cmdline.Line(view.verb.On(vm, session.Name))
		s.Title, s.Current, s.Body = view.Word+" session "+session.Name, vm, view
		return nil
	})
}

// end does what the page asked for, if it is still of the session that the page was about.
func (c *Console) end(w http.ResponseWriter, r *http.Request) {
	ctx, vm := r.Context(), r.PathValue("name")
	session, err := c.sessionAsShown(ctx, vm, r.PathValue("session"), r.PostForm.Get("id"))
	e := endActOf(session)
	switch {
	case err != nil:
	case e.Word != r.PostForm.Get("do"):
		err = fault.New(fault.Conflict, "session %s is not as the page showed it", r.PathValue("session")).WithHint("look at it again")
	default:
		session.VM = vm
		err = e.do(ctx, c.api, session)
	}
	c.done(w, r, vmPath(vm), map[string]string{"Stop": "Stopped", "Delete": "Deleted"}[e.Word]+" session "+session.Name, err)
}
