package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/event"
)

// Events is the journal that the API reads to its clients.
type Events interface {
	// Read begins to read after a position. The caller closes the Reader.
	Read(since string, kinds []event.Kind) (*event.Reader, error)
}

// While somebody watches, VMs are measured every 2 s, and less often the more there are: what
// that costs must not grow with them.
const (
	samplePause    = 2 * time.Second
	samplesAtOnce  = 25 // as many VMs are measured in a pause
	maxSamplePause = 4 * samplePause
)

// pauseAfter is the pause after a round of samples.
func pauseAfter(round []event.Event) time.Duration {
	return min(samplePause*time.Duration(1+len(round)/samplesAtOnce), maxSamplePause)
}

type eventsRequest struct {
	Since  string   `query:"since" maxLength:"64" doc:"the ID of the last event that you have: the stream continues after it; 0: the oldest event kept; empty: the present state, and what changes from now on"`
	LastID string   `header:"Last-Event-ID" maxLength:"64" doc:"since, as a browser sends it when it connects again; it takes precedence"`
	Kinds  []string `query:"kinds" maxItems:"16" doc:"only events of these kinds, separated by commas; default: all but sample and host"`
	Follow bool     `query:"follow" default:"true" doc:"false: end after the events that there are"`
}

func (s *Server) eventRoutes(a huma.API) {
	registry := a.OpenAPI().Components.Schemas
	for _, body := range []any{api.Event{}, api.Build{}, api.EgressDecision{}, api.HostStats{}} {
		registry.Schema(reflect.TypeOf(body), true, "")
	}
	events := route{id: "watch-events", method: http.MethodGet, path: "/events", tag: "events", summary: "Follow what changes"}
	events.describe = func(op *huma.Operation) {
		op.Description = "Server-sent events, whose type is the event's kind, whose ID is the event's, and whose data is an Event. " +
			"A stream without a position begins with a reset and one event with the action present for each thing that there is. " +
			"So does one whose position the journal no longer has. Live comes after what there was. A client that does not read for 10 s is cut, and can connect again. See docs/events.md."
		op.Responses = map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
		}}
	}
	handleStream(s, a, events, s.watchEvents)
}

func (s *Server) watchEvents(ctx context.Context, in *eventsRequest) (func(http.ResponseWriter, *http.Request), error) {
	kinds, err := event.ParseKinds(in.Kinds)
	if err != nil {
		return nil, err
	}
	since := in.Since
	if in.LastID != "" {
		since = in.LastID
	}
	reader, err := s.Events.Read(since, kinds)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.untilEnd(ctx)
	return func(w http.ResponseWriter, _ *http.Request) {
		defer cancel()
		defer reader.Close()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		stream := eventStream{s: s, w: w, out: http.NewResponseController(w), reader: reader, kinds: kinds, follow: in.Follow}
		if err := stream.run(ctx); err != nil {
			s.log.Debug("an event stream ended", "error", err)
		}
	}, nil
}

// eventStream writes events to one client.
type eventStream struct {
	s      *Server
	w      http.ResponseWriter
	out    *http.ResponseController
	reader *event.Reader
	kinds  []event.Kind
	follow bool
}

// run writes until ctx ends, or the client is gone or does not read.
func (e *eventStream) run(ctx context.Context) error {
	var sampled <-chan struct{}
	var samples []event.Event
	if e.follow && slices.ContainsFunc(e.kinds, event.Kind.Sampled) {
		defer e.s.sampler.Watch()() //nolint:contextcheck // a round is for all that watch, not for this one
		_, sampled = e.s.sampler.Latest()
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	if err := e.send(nil); err != nil { // the client learns that it is connected
		return err
	}
	for behind := true; ; {
		more, reset, err := e.journal(ctx)
		if err == nil && (behind || reset) {
			err = e.live()
		}
		if err != nil || !e.follow {
			return err
		}
		behind = false
		select {
		case <-more:
		case <-sampled:
			samples, sampled = e.s.sampler.Latest()
			err = e.samples(samples)
		case <-ticker.C:
			// An ID without data moves the client's position: the events it has no
			// interest in will not make it fall behind.
			err = e.send([]byte(": alive\nid: " + e.reader.Position() + "\n\n"))
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// journal writes all there is in the journal, and returns what closes when there is
// more, and whether it began anew.
func (e *eventStream) journal(ctx context.Context) (more <-chan struct{}, reset bool, err error) {
	for {
		batch := e.reader.Take()
		var frames bytes.Buffer
		for _, ev := range batch.Events {
			frame(&frames, e.reader.ID(ev), ev)
		}
		err := e.send(frames.Bytes())
		if err == nil && batch.Reset != "" {
			reset = true
			err = e.present(ctx, batch.Reset)
		}
		if err != nil || batch.More != nil {
			return batch.More, reset, err
		}
	}
}

// live says that this was all, and where the stream continues.
func (e *eventStream) live() error {
	var frames bytes.Buffer
	writeEvent(&frames, api.Event{ID: e.reader.Position(), Time: time.Now().UTC(), Kind: api.EventLive})
	return e.send(frames.Bytes())
}

func (e *eventStream) samples(round []event.Event) error {
	var frames bytes.Buffer
	for _, ev := range round {
		if !slices.Contains(e.kinds, ev.Kind) {
			continue
		}
		frame(&frames, "", ev)
	}
	return e.send(frames.Bytes())
}

// send writes frames. The client must take them within the limit.
func (e *eventStream) send(frames []byte) error {
	if err := e.out.SetWriteDeadline(time.Now().Add(e.s.readerLimit)); err != nil {
		return err
	}
	if len(frames) > 0 {
		if _, err := e.w.Write(frames); err != nil {
			return err
		}
	}
	return e.out.Flush()
}

// frame adds an event as a server-sent event, with an ID unless it is empty.
func frame(out *bytes.Buffer, id string, ev event.Event) {
	body := api.Event{
		ID: id, Time: ev.At, Kind: string(ev.Kind), Action: string(ev.Action), Name: ev.Name, Object: ev.ID, VM: ev.VM, VMID: ev.VMID, Body: ev.Object,
	}
	writeEvent(out, body)
}

func writeEvent(out *bytes.Buffer, body api.Event) {
	data, err := json.Marshal(body)
	if err != nil { // an object that is no JSON
		body.Body = nil
		data, _ = json.Marshal(body)
	}
	if body.ID != "" {
		out.WriteString("id: " + body.ID + "\n")
	}
	out.WriteString("event: " + body.Kind + "\ndata: ")
	out.Write(data)
	out.WriteString("\n\n")
}
