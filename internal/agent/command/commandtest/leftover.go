// Package commandtest has what the tests of every package that starts commands share.
package commandtest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit bounds each wait for a leftover.
const limit = 20 * time.Second

// Leftover is a process that outlives the command that started it, and then
// writes more to its output than a pipe holds.
type Leftover struct {
	t        *testing.T
	goes, is string // named pipes
}

// NewLeftover prepares one.
func NewLeftover(t *testing.T) *Leftover {
	t.Helper()
	dir := t.TempDir()
	l := &Leftover{t: t, goes: filepath.Join(dir, "go"), is: filepath.Join(dir, "alive")}
	for _, path := range []string{l.goes, l.is} {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// Script is what sh runs: it starts the leftover in the background, with the
// redirection given, says "started" and ends. prefix goes before the leftover's
// own shell, as nohup would.
func (l *Leftover) Script(prefix, redirection string) string {
	return strings.NewReplacer("PREFIX", prefix, "REDIRECTION", redirection, "GO", l.goes, "ALIVE", l.is).Replace(
		`PREFIX sh -c 'read x <GO; head -c 300000 /dev/zero && echo yes >ALIVE; echo end >ALIVE' REDIRECTION & echo started`)
}

// Survives lets the leftover write, once its command has ended, and reports
// whether it outlived that.
func (l *Leftover) Survives() bool {
	l.t.Helper()
	alive := l.open(l.is)
	defer func() { _ = alive.Close() }()
	goes := l.open(l.goes)
	defer func() { _ = goes.Close() }()
	if _, err := goes.WriteString("go\n"); err != nil {
		l.t.Fatal(err)
	}
	if err := alive.SetReadDeadline(time.Now().Add(limit)); err != nil {
		l.t.Fatal(err)
	}
	said := ""
	for buf := make([]byte, 64); !strings.Contains(said, "end\n"); {
		n, err := alive.Read(buf)
		if err != nil {
			l.t.Fatalf("the leftover said %q: %v", said, err)
		}
		said += string(buf[:n])
	}
	return strings.Contains(said, "yes\n")
}

// open opens a named pipe, both ends of it, so that no open waits.
func (l *Leftover) open(path string) *os.File {
	l.t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}
