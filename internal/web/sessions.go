package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
)

// sessionsView are the sessions on a VM's page, and the form of a new one.
type sessionsView struct {
	VM, Path, Token string
	Sessions        []sessionView
	Why             string // why none can be started

	Form  url.Values // of one that was not started
	Wrong wrongs
}

type sessionView struct {
	Name, Path, Command, Mode, Says string
	Mark                            mark
	Attention                       *attentionView
	Age                             age
	Running, Written                bool
	Lost                            string // why its output cannot be read
	Acts                            []button
}

// sessions reads the sessions of a VM.
func (c *Console) sessions(ctx context.Context, v api.VM, token string) (sessionsView, error) {
	view := sessionsView{VM: v.Name, Path: vmPath(v.Name) + "/sessions", Token: token}
	if v.State != api.VMRunning {
		view.Why = "It is not running"
	}
	all, err := c.api.ListSessions(ctx, v.Name)
	for _, s := range all {
		view.Sessions = append(view.Sessions, c.viewSession(&v, s))
	}
	return view, err
}

func (c *Console) viewSession(v *api.VM, s api.Session) sessionView {
	began := s.StartedAt
	if began == nil {
		began = &s.CreatedAt
	}
	view := sessionView{
		Name: s.Name, Path: sessionPath(v.Name, s.Name), Mode: s.Mode, Says: s.LastError, Mark: mark{State: s.State, Icon: stateIcon(s.State)},
		Age: ageOf(c.now(), began), Running: s.State == api.SessionRunning && status.OutputLost(v, s) == "", Written: s.Writer, Command: commandLine(s.Command),
	}
	if s.Attention != nil && s.Attention.State != api.AttentionDone {
		view.Attention = viewAttention(s.Attention, c.now())
	}
	if s.State == api.SessionRunning {
		view.Mark.Icon = "running"
	}
	if s.ExitCode != nil {
		view.Mark.State = fmt.Sprintf("exited, status %d", *s.ExitCode)
		if *s.ExitCode != 0 {
			view.Mark.Icon = "failed"
		}
	}
	view.Lost, view.Acts = capital(status.OutputLost(v, s)), sessionActs(v, s)
	return view
}

// sessionActs are what can be done to a session besides looking at it.
func sessionActs(v *api.VM, s api.Session) []button {
	path := sessionPath(v.Name, s.Name)
	end := endActOf(s)
	acts := []button{{Word: end.Word + "…", Page: path + "/end", Command: cmdline.Line(end.verb.On(v.Name, s.Name)), Danger: end.Word == "Delete"}}
	if s.State != api.SessionRunning || status.OutputLost(v, s) != "" {
		return acts
	}
	form := url.Values{"vm": {v.Name}, "session": {s.Name}}
	return append(acts,
		button{Word: "Send a signal…", Page: path + "/kill", Command: killCommand(form, nil), Danger: true},
		button{Word: "Send text…", Page: path + "#send", Command: sendCommand(form, nil)},
	)
}

// commandLine is a command as it is typed.
func commandLine(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		words[i] = cmdline.Word(word)
	}
	return strings.Join(words, " ")
}

// The command of a session is a line for the guest's shell; without one it is a shell.
const (
	guestShell = "/bin/sh"
	loginShell = "exec $(command -v bash || echo sh) -l"
)

// startSession starts what the form says, and leads to its terminal.
func (c *Console) startSession(w http.ResponseWriter, r *http.Request) {
	form, vm := r.PostForm, r.PathValue("name")
	s, err := c.startSessionIn(r.Context(), vm, sessionRequest(strings.TrimSpace(form.Get("command")), form.Get("name"), form.Get("dir"), form.Get("tty") == "yes"))
	if err != nil {
		c.showVM(w, r, func(view *vmView) { view.Sessions.Form, view.Sessions.Wrong = form, wrongOf(nil, nil, err) })
		return
	}
	c.lead(w, r, sessionPath(vm, s.Name), "")
}

// sessionRequest is for a line of the guest's shell, or for that shell.
func sessionRequest(line, name, dir string, tty bool) api.StartSession {
	if line == "" {
		line, tty = loginShell, true
	}
	return api.StartSession{Name: name, Dir: dir, TTY: tty, Command: []string{guestShell, "-c", line}}
}

// startSessionIn starts a session. One that the guest could not start is an error.
func (c *Console) startSessionIn(ctx context.Context, vm string, req api.StartSession) (api.Session, error) {
	s, err := c.api.StartSession(ctx, vm, req)
	if err == nil && s.State == api.SessionFailed {
		err = fault.New(fault.Conflict, "session %s did not start: %s", s.Name, s.LastError)
	}
	return s, err
}
