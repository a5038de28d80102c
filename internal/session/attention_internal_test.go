package session

import (
	"strings"
	"testing"
	"time"
)

func TestAttentionIsDecidedBySignals(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	agent, shell := []string{"claude"}, []string{"/bin/bash", "-l"}
	for name, c := range map[string]struct {
		command []string
		signals Signals
		want    Attention
	}{
		"output":                      {agent, Signals{Active: true, ActiveSince: at(5), OutputAt: at(9)}, Attention{State: Working, Since: at(5)}},
		"quiet":                       {agent, Signals{OutputAt: at(9)}, Attention{State: Idle, Since: at(9)}},
		"never a word":                {agent, Signals{}, Attention{State: Idle, Since: at(0)}},
		"a read":                      {agent, Signals{Reading: true, ReadingLeader: true, ReadingSince: at(7)}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"a read just after output":    {agent, Signals{Reading: true, Active: true, ReadingSince: at(7)}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"a shell at its prompt":       {shell, Signals{Reading: true, ReadingLeader: true, Active: true, OutputAt: at(8)}, Attention{State: Idle, Since: at(8)}},
		"a login shell at its prompt": {shell, Signals{Reading: true, ReadingLeader: true, Reader: []string{"-bash"}, OutputAt: at(8)}, Attention{State: Idle, Since: at(8)}},
		"a shell that a line became":  {[]string{"/bin/sh", "-c", "exec bash -l"}, Signals{Reading: true, ReadingLeader: true, Reader: []string{"/usr/bin/bash", "-l"}, OutputAt: at(8)}, Attention{State: Idle, Since: at(8)}},
		"a shell in a shell":          {shell, Signals{Reading: true, Reader: []string{"sh"}, OutputAt: at(8)}, Attention{State: Idle, Since: at(8)}},
		"a script in a shell":         {shell, Signals{Reading: true, ReadingSince: at(7), Reader: []string{"sh", "ask.sh"}}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"a line that still asks":      {shell, Signals{Reading: true, ReadingLeader: true, ReadingSince: at(7), Reader: []string{"sh", "-c", "read x"}}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"a bell at a prompt":          {shell, Signals{Reading: true, ReadingLeader: true, Reader: []string{"bash"}, Notice: &Notice{At: at(6)}}, Attention{State: NeedsInput, Why: Question, Since: at(6)}},
		"a program of a shell":        {shell, Signals{Reading: true, ReadingSince: at(7)}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"a shell's script":            {[]string{"sh", "-c", "read x"}, Signals{Reading: true, ReadingLeader: true, ReadingSince: at(7)}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"a shell's file":              {[]string{"sh", "ask.sh"}, Signals{Reading: true, ReadingLeader: true, ReadingSince: at(7)}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"a bell":                      {agent, Signals{Notice: &Notice{At: at(6)}, Active: true}, Attention{State: NeedsInput, Why: Question, Since: at(6)}},
		"a notification":              {agent, Signals{Notice: &Notice{Text: "Claude needs your permission to use Bash", At: at(6)}}, Attention{State: NeedsInput, Why: Approval, Text: "Claude needs your permission to use Bash", Since: at(6)}},
		"one of an error":             {agent, Signals{Notice: &Notice{Text: "Build FAILED", At: at(6)}}, Attention{State: NeedsInput, Why: ByError, Text: "Build FAILED", Since: at(6)}},
		"one that was answered":       {agent, Signals{Notice: &Notice{At: at(6)}, InputAt: at(7), OutputAt: at(7)}, Attention{State: Idle, Since: at(7)}},
		"one, and it went on":         {agent, Signals{Notice: &Notice{At: at(6), OutputAfter: true}, Active: true, ActiveSince: at(5)}, Attention{State: Working, Since: at(5)}},
		"said to need input":          {agent, Signals{Said: &Said{State: "needs-input", Why: "approval", Text: "rm -rf?", At: at(6)}, Active: true}, Attention{State: NeedsInput, Why: Approval, Text: "rm -rf?", Since: at(6)}},
		"said so, and answered":       {agent, Signals{Said: &Said{State: "needs-input", At: at(6)}, InputAt: at(7), Active: true, ActiveSince: at(7)}, Attention{State: Working, Since: at(7)}},
		"said to work, though mute":   {agent, Signals{Said: &Said{State: "working", At: at(6)}, InputAt: at(7)}, Attention{State: Working, Since: at(6)}},
		"said so, then a bell":        {agent, Signals{Said: &Said{State: "working", At: at(6)}, Notice: &Notice{At: at(7)}}, Attention{State: NeedsInput, Why: Question, Since: at(7)}},
		"said so, then it reads":      {agent, Signals{Said: &Said{State: "working", At: at(6)}, Reading: true, ReadingSince: at(8)}, Attention{State: NeedsInput, Why: Question, Since: at(8)}},
		"said to be done":             {agent, Signals{Said: &Said{State: "done", Text: "all tests pass", At: at(6)}, Active: true}, Attention{State: Done, Text: "all tests pass", Since: at(6)}},
		"done, and asked again":       {agent, Signals{Said: &Said{State: "done", At: at(6)}, InputAt: at(7), Active: true, ActiveSince: at(7)}, Attention{State: Working, Since: at(7)}},
		"an unknown word":             {agent, Signals{Said: &Said{State: "\x1b[2J", At: at(6)}, OutputAt: at(1)}, Attention{State: Idle, Since: at(1)}},
		"a clock that is wrong":       {agent, Signals{Notice: &Notice{At: at(1e6)}}, Attention{State: NeedsInput, Why: Question, Since: at(10)}},
		"said to work, long ago":      {agent, Signals{Said: &Said{State: "working", At: at(-70)}, OutputAt: at(-60)}, Attention{State: Idle, Since: at(0)}},
		"said so, and writes":         {agent, Signals{Said: &Said{State: "working", At: at(2)}, OutputAt: at(9), Active: true, ActiveSince: at(8)}, Attention{State: Working, Since: at(2)}},
		"hostile words": {
			agent,
			Signals{Said: &Said{State: "needs-input", Text: "\x1b]0;x\a" + strings.Repeat("é", 10_000), At: at(6)}},
			Attention{State: NeedsInput, Why: Question, Text: "?]0;x?" + strings.Repeat("é", 123) + "…", Since: at(6)},
		},
	} {
		s := Session{Command: c.command, State: Running, StartedAt: start}
		if got := s.attention(c.signals, at(10)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	exited := func(a Attention, code int, signal string) Attention {
		a.State, a.Since, a.Exited, a.ExitCode, a.Signal = Done, at(9), true, code, signal
		return a
	}
	for _, c := range []struct {
		s    Session
		want Attention
	}{
		{Session{State: Exited, EndedAt: at(9)}, exited(Attention{}, 0, "")},
		{Session{State: Exited, ExitCode: 2, LastError: "no such file", EndedAt: at(9)}, exited(Attention{Why: ByError, Text: "no such file"}, 2, "")},
		{Session{State: Exited, ExitCode: 139, Signal: "SEGV", EndedAt: at(9)}, exited(Attention{Why: ByError}, 139, "SEGV")},
		{Session{State: Exited, ExitCode: 137, Signal: "KILL", EndedAt: at(9)}, exited(Attention{Why: ByError, Text: "SIGKILL came from inside the VM: from a program, or from its kernel when it ran out of memory"}, 137, "KILL")},
		{Session{State: Exited, ExitCode: 143, Signal: "TERM", Asked: askedStop, EndedAt: at(9)}, exited(Attention{Why: ByStop, Text: "stopped with banger"}, 143, "TERM")},
		{Session{State: Exited, Asked: askedStop, LastError: "bye", EndedAt: at(9)}, exited(Attention{Why: ByStop, Text: "bye"}, 0, "")},
		{Session{State: Exited, ExitCode: 137, Signal: "KILL", Asked: "KILL", EndedAt: at(9)}, exited(Attention{Why: ByKill, Text: "SIGKILL was sent with banger"}, 137, "KILL")},
		{Session{State: Exited, ExitCode: 1, Asked: "INT", EndedAt: at(9)}, exited(Attention{Why: ByError, Text: "after SIGINT was sent with banger"}, 1, "")},
		{Session{State: Exited, Asked: "USR1", EndedAt: at(9)}, exited(Attention{}, 0, "")},
		{Session{State: Failed, LastError: "no such command", EndedAt: at(9)}, Attention{State: Done, Why: ByError, Text: "no such command", Since: at(9)}},
		{Session{State: Lost, LastError: "the VM ended", Asked: askedStop, EndedAt: at(9)}, Attention{State: Done, Why: ByLoss, Text: "the VM ended", Since: at(9)}},
	} {
		if got := c.s.ended(); got != c.want {
			t.Errorf("ended: %+v, want %+v", got, c.want)
		}
	}
}

func TestTheMostUrgentComesFirst(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	order := []Attention{
		{State: NeedsInput, Text: "which?", Since: late}, {State: NeedsInput, Since: early}, {State: NeedsInput, Since: late}, {State: Working, Since: early}, {State: Idle, Since: early}, {State: Done, Since: late}, {State: Done, Since: early}, {},
	}
	for i := range order {
		for j := range order {
			if got := order[i].moreUrgent(order[j]); got != (i < j) {
				t.Errorf("%+v before %+v: %v", order[i], order[j], got)
			}
		}
	}
}
