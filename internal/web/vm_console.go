package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/plain"
)

// The bounds of the console log on a page.
const (
	consoleTail   = 500      // lines without a search
	consoleHits   = 500      // lines that a search shows, the last ones
	maxConsole    = 64 << 20 // bytes that a search reads
	maxConsoleRow = 2000     // bytes of a line that are shown
)

// consoleView is the body of the section with the console log.
type consoleView struct {
	vmFrame
	Query    string
	Lines    []logLine
	Hits     int
	Why      string
	Commands struct{ Follow, Save string }
}

// logLine is a line, in pieces: every second one is what was searched.
type logLine struct{ Pieces []string }

func (c *Console) consolePage(w http.ResponseWriter, r *http.Request) {
	c.inVM(w, r, "console", func(ctx context.Context, f vmFrame) (any, error) {
		view := consoleView{vmFrame: f, Query: r.URL.Query().Get("q")}
		view.Commands.Follow = cmdline.Typed("vm", "logs", "-f", f.VM.Name)
		view.Commands.Save = cmdline.Line(act.VMLogs.On(f.VM.Name)) + " > " + cmdline.Word(f.VM.Name+".log")
		if err := c.consoleLines(ctx, &view); err != nil {
			view.Why = problemOf(err).Message
		}
		return view, nil
	})
}

func (c *Console) consoleLines(ctx context.Context, view *consoleView) error {
	opts := client.LogOptions{Tail: consoleTail}
	if view.Query != "" {
		opts.Tail = -1
	}
	log, err := c.api.VMLogs(ctx, view.VM.Name, opts)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	in := bufio.NewReaderSize(io.LimitReader(log, maxConsole), diffReadBlock)
	for {
		text, err := shortLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line := logLine{Pieces: pieces(plain.Lines(strings.TrimRight(text, "\r"), maxConsoleRow), view.Query)}
		if view.Query != "" && len(line.Pieces) == 1 {
			continue
		}
		view.Hits++
		if view.Lines = append(view.Lines, line); len(view.Lines) > max(consoleHits, consoleTail) {
			view.Lines = view.Lines[1:]
		}
	}
}

// pieces splits text at what is searched, in any case: every second piece is it.
func pieces(text, query string) []string {
	lower, want := strings.ToLower(text), strings.ToLower(query)
	if want == "" || len(lower) != len(text) { // case changed the length of a letter
		if want == "" || !strings.Contains(text, query) {
			return []string{text}
		}
		lower, want = text, query
	}
	var all []string
	for {
		i := strings.Index(lower, want)
		if i < 0 {
			return append(all, text)
		}
		all = append(all, text[:i], text[i:i+len(want)])
		text, lower = text[i+len(want):], lower[i+len(want):]
	}
}

// Hit reports whether the search found the line.
func (l logLine) Hit() bool { return len(l.Pieces) > 1 }

// Odd reports whether the i-th piece is what was searched.
func (l logLine) Odd(i int) bool { return i%2 == 1 }

// downloadConsole sends the whole console log.
func (c *Console) downloadConsole(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	log, err := c.api.VMLogs(r.Context(), name, client.LogOptions{Tail: -1})
	if err != nil {
		c.fail(w, r, err)
		return
	}
	defer func() { _ = log.Close() }()
	c.download(w, r, name+".log", -1, log)
}
