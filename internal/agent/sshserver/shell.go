package sshserver

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/agent/command"
)

// shellArgv is what runs a command line, or a login shell where line is nil: the
// user's shell. One that only says that nobody may log in does not count, as the
// key is of the VM's owner; nor does one that the image does not have. In an image
// without any shell a line of plain words is run as it is.
func shellArgv(spec command.Spec, shell string, line *string) (argv []string, arg0 string, err error) {
	if shell = usable(spec, shell); shell == "" {
		if line == nil {
			return nil, "", &command.StartError{
				Status: command.StatusNotFound,
				Err:    fmt.Errorf("the image has no shell; exec runs a program without one"),
			}
		}
		argv, err := plainWords(*line)
		return argv, "", err
	}
	if line == nil {
		return []string{shell}, "-" + filepath.Base(shell), nil
	}
	return []string{shell, "-c", *line}, "", nil
}

func usable(spec command.Spec, shell string) string {
	refusing := []string{"nologin", "false", "true", "sync", "halt", "shutdown"}
	for _, path := range []string{shell, "/bin/sh", "/usr/bin/sh", "/busybox/sh"} {
		if slices.Contains(refusing, filepath.Base(path)) {
			continue
		}
		if _, err := command.LookPath(spec, path); err == nil {
			return path
		}
	}
	return ""
}

// plainWords takes a line apart that means the same without a shell.
func plainWords(line string) ([]string, error) {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" /._-+,:@%=", r)
	}
	words := strings.Fields(line)
	if strings.ContainsFunc(line, func(r rune) bool { return !plain(r) }) || len(words) == 0 || strings.Contains(words[0], "=") {
		return nil, &command.StartError{
			Status: command.StatusNotFound,
			Err:    fmt.Errorf("the image has no shell, which this command needs; exec runs a program without one"),
		}
	}
	return words, nil
}
