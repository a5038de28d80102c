package web

import (
	"fmt"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
)

type sessionView struct {
	Name, Command, Mode, Says string
	Mark                      mark
	Age                       age
}

func (c *Console) viewSession(s api.Session) sessionView {
	began := s.StartedAt
	if began == nil {
		began = &s.CreatedAt
	}
	view := sessionView{
		Name: s.Name, Mode: s.Mode, Says: s.LastError, Mark: mark{State: s.State, Icon: stateIcon(s.State)}, Age: ageOf(c.now(), began),
	}
	for i, word := range s.Command {
		if i > 0 {
			view.Command += " "
		}
		view.Command += cmdline.Word(word)
	}
	if s.ExitCode != nil {
		view.Mark.State = fmt.Sprintf("exited, status %d", *s.ExitCode)
		if *s.ExitCode != 0 {
			view.Mark.Icon = "failed"
		}
	}
	return view
}
