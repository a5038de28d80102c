package session

import (
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/plain"
)

// askedStop is Session.Asked of a session that a user stopped.
const askedStop = "stop"

// signalNumbers are the names of the signals that people send by number, without SIG,
// as Linux numbers them on every architecture that banger runs on.
func signalNumbers() map[int]string {
	return map[int]string{1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 8: "FPE", 9: "KILL", 10: "USR1", 11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM"}
}

// signalName is a signal's name as agents report it: upper case, without SIG. What is
// not known stays as it is.
func signalName(signal string) string {
	name := strings.TrimPrefix(strings.ToUpper(signal), "SIG")
	if n, err := strconv.Atoi(name); err == nil && signalNumbers()[n] != "" {
		return signalNumbers()[n]
	}
	return name
}

// ended is the attention of a session that runs no more: how it ended, by whom if that
// was asked for, and its own last words.
func (s *Session) ended() Attention {
	a := Attention{State: Done, Since: s.EndedAt, Text: plain.Line(s.LastError, maxSaid)}
	switch s.State {
	case Exited:
	case Lost:
		a.Why = ByLoss
		return a
	default:
		a.Why = ByError
		return a
	}
	a.Exited, a.ExitCode, a.Signal = true, s.ExitCode, s.Signal
	cause := ""
	switch {
	case s.Asked == askedStop:
		a.Why, cause = ByStop, "stopped with banger"
	case s.Asked != "" && s.Asked == s.Signal:
		a.Why, cause = ByKill, "SIG"+s.Asked+" was sent with banger"
	case s.ExitCode == 0:
	case s.Asked != "":
		a.Why, cause = ByError, "after SIG"+s.Asked+" was sent with banger"
	case s.Signal == "KILL":
		a.Why, cause = ByError, "SIGKILL came from inside the VM: from a program, or from its kernel when it ran out of memory"
	default:
		a.Why = ByError
	}
	if a.Text == "" {
		a.Text = plain.Line(cause, maxSaid)
	}
	return a
}
