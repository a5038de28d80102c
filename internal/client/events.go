package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
)

const (
	// silence is how long a stream of events may say nothing before it counts as
	// broken: the daemon says each 15 s that it lives.
	silence = 45 * time.Second
	// firstReconnect and lastReconnect bound the pauses between tries to connect again.
	firstReconnect = 50 * time.Millisecond
	lastReconnect  = 2 * time.Second
)

// EventOptions says which events are wanted.
type EventOptions struct {
	// Since is the ID of the last event that is known. "0": the oldest that is kept.
	// Empty: the present state first.
	Since string
	Kinds []string // of api.EventKinds; none: all but samples and host
	// Once ends after the events that there are.
	Once bool
	// Lost, if set, is called when the connection was lost, before Events connects
	// again.
	Lost func(error)
}

// Events yields events until ctx ends. When the connection is lost it connects again,
// however long that takes, and continues after the last event; where that is not
// possible, and at the beginning without Since, a reset comes and then the present state.
// Live comes after what there was when it connected. An error ends it: the context's, that of the first connection, or one
// that trying again does not help against. It starts no daemon.
func (c *Client) Events(ctx context.Context, opts EventOptions) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		follower := eventFollower{c: c, opts: opts, yield: yield}
		if err := follower.follow(ctx); err != nil {
			yield(api.Event{}, err)
		}
	}
}

type eventFollower struct {
	c         *Client
	opts      EventOptions
	yield     func(api.Event, error) bool
	since     string
	connected bool // once, at least
	over      bool // the caller wants no more
}

func (f *eventFollower) follow(ctx context.Context) error {
	f.since = f.opts.Since
	pauses := pace.NewBackoff(firstReconnect, lastReconnect)
	for {
		heard, err := f.once(ctx)
		switch {
		case f.over:
			return nil
		case ctx.Err() != nil:
			return f.c.transportError(ctx, ctx.Err())
		case f.opts.Once && err == nil:
			return nil
		case f.opts.Once || !f.connected || !errors.Is(err, fault.Unavailable):
			return err
		}
		if heard {
			pauses.Reset()
		}
		if f.opts.Lost != nil {
			f.opts.Lost(err)
		}
		_ = pauses.Pause(ctx) // the next round sees ctx's end
	}
}

// once reads one stream to its end. heard says that something came. The error is nil
// only for a stream that was to end.
func (f *eventFollower) once(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := request(ctx, http.MethodGet, path("events")+"?"+f.query(), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	resp, err := f.c.send(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	f.connected = true
	events := newEventReader(resp.Body)
	events.alive = func() {
		heard = true
		watchdog.Reset(silence)
	}
	for {
		ev, err := events.next()
		if events.lastID != "" {
			f.since = events.lastID
		}
		if err != nil {
			return heard, fault.Wrap(fault.Unavailable, err, "lost the connection to bangerd")
		}
		var body api.Event
		if err := json.Unmarshal(ev.data, &body); err != nil {
			return heard, fault.Wrap(fault.Internal, err, "cannot read an event from bangerd")
		}
		if !f.yield(body, nil) {
			f.over = true
			return heard, nil
		}
		if f.opts.Once && body.Kind == api.EventLive {
			return heard, nil
		}
	}
}

func (f *eventFollower) query() string {
	query := url.Values{}
	if f.since != "" {
		query.Set("since", f.since)
	}
	if len(f.opts.Kinds) > 0 {
		query.Set("kinds", strings.Join(f.opts.Kinds, ","))
	}
	if f.opts.Once {
		query.Set("follow", "false")
	}
	return query.Encode()
}

// EventBody decodes what an event is about: see api.Event.
func EventBody[T any](ev api.Event) (T, error) {
	var body T
	if len(ev.Body) == 0 {
		return body, fault.New(fault.NotFound, "the %s event %s has no body", ev.Kind, ev.ID)
	}
	if err := json.Unmarshal(ev.Body, &body); err != nil {
		return body, fault.Wrap(fault.Internal, err, "cannot read a %s event", ev.Kind)
	}
	return body, nil
}
