package boundlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/plain"
)

const (
	// burst is how often a message is written at once; then it is once a pause.
	burst = 4
	pause = time.Minute
	// maxMessages bounds how many messages are told apart.
	maxMessages = 512
	// maxValue bounds one value of a record, in bytes.
	maxValue = 4 << 10
)

// SubjectKey is the attribute that tells apart whom a message is about: the id
// of a VM, of which one must not silence what is said of another.
const SubjectKey = "vm"

// Handler passes on records to another handler at a bounded rate. Of a message
// about one subject the first few are written, then one a minute, with the
// number of those that were not in "more". A message is told by its text,
// which therefore must not vary; what varies belongs in attributes.
type Handler struct {
	to      slog.Handler
	subject string
	counts  *counts
}

// NewHandler bounds what to is given.
func NewHandler(to slog.Handler) *Handler {
	return &Handler{to: to, counts: &counts{of: map[string]*tally{}}}
}

// Enabled is slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.to.Enabled(ctx, level)
}

// Handle is slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	subject := h.subject
	r.Attrs(func(a slog.Attr) bool {
		subject = subjectOf(a, subject)
		return true
	})
	write, more := h.counts.take(r.Level.String()+"\x00"+subject+"\x00"+r.Message, r.Time)
	if !write {
		return nil
	}
	bounded := slog.NewRecord(r.Time, r.Level, plain.Clip(r.Message, maxValue), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		bounded.AddAttrs(bound(a))
		return true
	})
	if more > 0 {
		bounded.AddAttrs(slog.Int("more", more))
	}
	return h.to.Handle(ctx, bounded)
}

// WithAttrs is slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	for _, a := range attrs {
		out.subject = subjectOf(a, out.subject)
	}
	out.to = h.to.WithAttrs(attrs)
	return &out
}

// WithGroup is slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	out := *h
	out.to = h.to.WithGroup(name)
	return &out
}

func subjectOf(a slog.Attr, otherwise string) string {
	if a.Key == SubjectKey {
		return plain.Clip(a.Value.String(), maxValue)
	}
	return otherwise
}

// bound makes a value short that is long as text; what is nested stays.
func bound(a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString, slog.KindAny:
		if text := a.Value.String(); len(text) > maxValue {
			return slog.String(a.Key, plain.Clip(text, maxValue))
		}
	default:
	}
	return a
}

// counts are how often each message came.
type counts struct {
	mu sync.Mutex
	of map[string]*tally
}

// tally is a bucket of a message's turns, and how many had none.
type tally struct {
	turns float64
	at    time.Time
	more  int
}

func (c *counts) take(message string, now time.Time) (write bool, more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.of[message]
	if t == nil {
		if len(c.of) >= maxMessages {
			c.forget(now)
		}
		if len(c.of) >= maxMessages {
			message = "" // the rest count as one
		}
		if t = c.of[message]; t == nil {
			t = &tally{turns: burst, at: now}
			c.of[message] = t
		}
	}
	t.turns = min(burst, t.turns+now.Sub(t.at).Seconds()/pause.Seconds())
	t.at = now
	if t.turns < 1 {
		t.more++
		return false, 0
	}
	t.turns--
	more, t.more = t.more, 0
	return true, more
}

// forget makes room: what has not come for long enough to have all its turns.
func (c *counts) forget(now time.Time) {
	for message, t := range c.of {
		if now.Sub(t.at) > burst*pause {
			delete(c.of, message)
		}
	}
}
