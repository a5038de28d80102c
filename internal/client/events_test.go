package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// streams answers the first request for events with the first text, and so on, and
// notes where each was to begin.
type streams struct {
	mu    sync.Mutex
	texts []string
	since []string
}

func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.since = append(s.since, r.URL.Query().Get("since"))
	text := "refuse"
	if len(s.texts) > 0 {
		text, s.texts = s.texts[0], s.texts[1:]
	}
	s.mu.Unlock()
	if text == "refuse" {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"code":"busy","message":"256 event streams are already open"}`)
		return
	}
	_, _ = io.WriteString(w, text)
}

func (s *streams) serve(t *testing.T) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s.sock")
	l, err := statedir.ListenUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	c := New(socket)
	t.Cleanup(c.Close)
	return c
}

func sse(id, kind string) string {
	return fmt.Sprintf("id: %s\nevent: %s\ndata: {\"id\":%q,\"kind\":%q}\n\n", id, kind, id, kind)
}

func TestEventsGoOnAfterALostConnection(t *testing.T) {
	s := &streams{texts: []string{
		sse("e1-1", "vm") + ": alive\nid: e1-7\n\n", // nothing of interest up to 7
		"", // lost at once
		sse("e1-8", "vm") + sse("e1-9", "vm"),
	}}
	c := s.serve(t)
	var ids []string
	lost := 0
	for ev, err := range c.Events(t.Context(), EventOptions{Since: "0", Lost: func(error) { lost++ }}) {
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, ev.ID); ev.ID == "e1-9" {
			break
		}
	}
	if got := strings.Join(ids, " "); got != "e1-1 e1-8 e1-9" || lost != 2 {
		t.Errorf("%s, lost %d times", got, lost)
	}
	if want := []string{"0", "e1-7", "e1-7"}; !slices.Equal(s.since, want) {
		t.Errorf("began after %q, want %q", s.since, want)
	}
}

func TestEventsEndWithWhatTryingAgainDoesNotMend(t *testing.T) {
	for name, c := range map[string]struct {
		texts []string
		opts  EventOptions
		want  error
	}{
		"refused at once":       {[]string{"refuse"}, EventOptions{}, fault.Busy},
		"refused later":         {[]string{sse("e1-1", "vm"), "refuse"}, EventOptions{}, fault.Busy},
		"not an event":          {[]string{"data: {\n\n"}, EventOptions{}, fault.Internal},
		"all there is, cut off": {[]string{sse("e1-1", "vm")}, EventOptions{Once: true}, fault.Unavailable},
		"all there is":          {[]string{sse("e1-1", "vm") + sse("e1-1", "live")}, EventOptions{Once: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &streams{texts: c.texts}
			var last error
			for _, err := range s.serve(t).Events(t.Context(), c.opts) {
				last = err
			}
			if !errors.Is(last, c.want) {
				t.Errorf("got %v, want %v", last, c.want)
			}
		})
	}
	gone := New(filepath.Join(t.TempDir(), "none.sock"))
	for _, err := range gone.Events(t.Context(), EventOptions{}) {
		if !errors.Is(err, ErrNoDaemon) {
			t.Errorf("without a daemon: %v", err)
		}
	}
}

func TestEventsEndWithTheirContext(t *testing.T) {
	s := &streams{texts: []string{sse("e1-1", "vm")}}
	c := s.serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for ev, err := range c.Events(ctx, EventOptions{}) {
		if last = err; ev.ID == "e1-1" {
			c.Dial = func(context.Context) (net.Conn, error) { return nil, ErrNoDaemon } // it tries again, in vain
			cancel()
		}
	}
	if !errors.Is(last, fault.Canceled) {
		t.Errorf("got %v", last)
	}
}

func TestBodiesOfEvents(t *testing.T) {
	if _, err := EventBody[api.VM](api.Event{Kind: "vm"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("without a body: %v", err)
	}
	if _, err := EventBody[api.VM](api.Event{Kind: "vm", Body: []byte(`[]`)}); !errors.Is(err, fault.Internal) {
		t.Errorf("with another's body: %v", err)
	}
}
