package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// console writes log records as short lines for the VM's console:
// "banger: message key=value".
type console struct {
	w     io.Writer
	attrs string
}

// NewConsoleLog makes a logger of short lines on w.
func NewConsoleLog(w io.Writer) *slog.Logger { return slog.New(console{w: w}) }

func (c console) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (c console) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString("banger: ")
	if r.Level >= slog.LevelWarn {
		b.WriteString(strings.ToLower(r.Level.String()) + ": ")
	}
	b.WriteString(r.Message)
	b.WriteString(c.attrs)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(format(a))
		return true
	})
	b.WriteString("\r\n")
	_, err := io.WriteString(c.w, b.String())
	return err
}

func format(a slog.Attr) string { return fmt.Sprintf(" %s=%q", a.Key, a.Value.String()) }

func (c console) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		c.attrs += format(a)
	}
	return c
}

func (c console) WithGroup(string) slog.Handler { return c }
