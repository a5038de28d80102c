package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// killView is the body of the page that sends a signal to a session.
type killView struct {
	VM, Name, ID, Path string
	Form               url.Values
	Signals            []signalChoice
	Wrong              wrongs
	Why                string // why none can be sent
	Command            string
}

// signalChoice is a signal that the form proposes.
type signalChoice struct{ Name, Says string }

func signalChoices() []signalChoice {
	return []signalChoice{
		{"KILL", "ends it at once"},
		{"TERM", "asks it to end"},
		{"INT", "as Ctrl-C does"},
		{"HUP", "as a closed terminal does"},
		{"QUIT", "ends it, with a core dump"},
		{"STOP", "halts it"},
		{"CONT", "lets it go on"},
		{"USR1", ""},
		{"USR2", ""},
	}
}

// killCommand sends the signal of the form; without one it is KILL.
func killCommand(form, _ url.Values) string {
	t := typed(form, "vm", "session", "kill", form.Get("vm"), form.Get("session"))
	if signalOf(form) != "KILL" {
		t.flag("signal", "signal")
	}
	return t.String()
}

func signalOf(form url.Values) string {
	name := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(form.Get("signal"))), "SIG")
	if name == "" {
		return "KILL"
	}
	return name
}

func (c *Console) killPage(w http.ResponseWriter, r *http.Request) {
	c.showKill(w, r, url.Values{}, wrongs{})
}

func (c *Console) showKill(w http.ResponseWriter, r *http.Request, form url.Values, wrong wrongs) {
	c.page(w, r, "session-kill", func(ctx context.Context, s *shell) error {
		vm := r.PathValue("name")
		session, err := c.api.GetSession(ctx, vm, r.PathValue("session"))
		if err != nil {
			return err
		}
		form.Set("vm", vm)
		form.Set("session", session.Name)
		view := killView{VM: vm, Name: session.Name, ID: session.ID, Path: sessionPath(vm, session.Name), Form: form, Signals: signalChoices(), Wrong: wrong, Command: killCommand(form, nil)}
		if session.State != api.SessionRunning {
			view.Why = "It is " + session.State
		}
		s.Title, s.Current, s.Body = "Signal to session "+session.Name, vm, view
		return nil
	})
}

// kill sends a signal to a session, if it is still the one that the page was of.
func (c *Console) kill(w http.ResponseWriter, r *http.Request) {
	vm, name, signal := r.PathValue("name"), r.PathValue("session"), signalOf(r.PostForm)
	s, err := c.sessionAsShown(r.Context(), vm, name, r.PostForm.Get("id"))
	if err == nil {
		_, err = c.api.KillSession(r.Context(), vm, s.ID, api.KillSession{Signal: signal})
	}
	if err != nil && fault.CodeOf(err) == fault.NotFound {
		c.fail(w, r, err)
		return
	}
	if err != nil {
		c.showKill(w, r, r.PostForm, wrongWith("signal", "Signal", err))
		return
	}
	c.lead(w, r, vmPath(vm), "Sent "+signal+" to session "+name)
}
