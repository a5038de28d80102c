package sshserver

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agent/command"
)

func TestTheShellThatRunsACommand(t *testing.T) {
	nologin := filepath.Join(t.TempDir(), "nologin")
	if err := os.WriteFile(nologin, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	line := "echo $HOME"
	for name, tc := range map[string]struct {
		shell string
		line  *string
		argv  []string
		arg0  string
	}{
		"the user's own":        {"/usr/bin/env", &line, []string{"/usr/bin/env", "-c", line}, ""},
		"to log in":             {"/bin/sh", nil, []string{"/bin/sh"}, "-sh"},
		"one that lets none in": {nologin, &line, []string{"/bin/sh", "-c", line}, ""},
		"false":                 {"/bin/false", nil, []string{"/bin/sh"}, "-sh"},
		"one that is not there": {"/bin/no-such-shell", &line, []string{"/bin/sh", "-c", line}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			argv, arg0, err := shellArgv(command.Spec{Dir: "/"}, tc.shell, tc.line)
			if err != nil || !slices.Equal(argv, tc.argv) || arg0 != tc.arg0 {
				t.Errorf("%q, %q, %v", argv, arg0, err)
			}
		})
	}
}

func TestACommandWithoutAShell(t *testing.T) {
	for line, want := range map[string][]string{
		"/app --port=80 -v": {"/app", "--port=80", "-v"},
		"  app  ":           {"app"},
		"app; id":           nil,
		"app | cat":         nil,
		"app $HOME":         nil,
		"app 'a b'":         nil,
		"app *":             nil,
		"A=1 app":           nil,
		"app\nid":           nil,
		"app ~":             nil,
		"":                  nil,
	} {
		argv, err := plainWords(line)
		if !slices.Equal(argv, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %q, %v", line, argv, err)
		}
		if err != nil && !strings.Contains(err.Error(), "exec runs") {
			t.Errorf("%q: %v", line, err)
		}
	}
}
