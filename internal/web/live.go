package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/web/gate"
)

const (
	// flushEvery is how often a page changes at most.
	flushEvery = 100 * time.Millisecond
	// livingBeat tells the page that the stream lives, and finds pages that are gone.
	livingBeat = 15 * time.Second
	// slowPage is how long a page may take to read what it is sent.
	slowPage = 10 * time.Second
	// maxWaiting bounds the events that wait for a page to be rendered.
	maxWaiting = 256
)

// livePath is the stream of a page, and its query.
func livePath(page string, query url.Values) string {
	query.Set("page", page)
	return "/live?" + query.Encode()
}

// live is GET /live: what changes on the page that the query names, as server-sent
// events with fragments of it. The first has all that can change.
func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	token := gate.Token(r.Context())
	release, ok := c.streams.take(token)
	if !ok {
		http.Error(w, "Too many pages are live.", http.StatusServiceUnavailable)
		return
	}
	defer release()
	ctx := r.Context()
	out := http.NewResponseController(w)
	// The time for reading a request is over for this one.
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	p := &livePage{c: c, w: w, out: out, scene: newScene(), parts: c.partsOf(r.URL.Query(), token)}
	if p.parts.measures() {
		defer c.meter.watch(ctx)()
		p.parts.measure()
	}
	if err := p.run(ctx); err != nil && ctx.Err() == nil {
		c.log.DebugContext(ctx, "a live page ended", "error", err)
	}
}

// livePage is one page's stream. Its fields are of the goroutine that runs it.
type livePage struct {
	c     *Console
	w     http.ResponseWriter
	out   *http.ResponseController
	scene *scene
	parts *parts
	whole bool // the scene is complete

	events chan api.Event
	failed chan error
	ports  *portAsker
	stale  renewer // the section of a VM's page that the stream does not render
	flush  *time.Timer
	last   time.Time // of the latest flush
	waits  bool      // for the timer

	sent  map[string]string // what the page has, by the fragment's ID
	lists string
	heed  heeded
}

// run writes until ctx ends, or the page is gone or does not read.
func (p *livePage) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	p.events, p.failed = make(chan api.Event, maxWaiting), make(chan error, 1)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() { p.failed <- p.follow(ctx) })
	p.ports = askPorts(ctx, &work, p.c.api)
	p.keepCurrent(ctx, &work, p.parts.section, p.parts.operation)
	beat := time.NewTicker(livingBeat)
	defer beat.Stop()
	p.flush = time.NewTimer(flushEvery)
	defer p.flush.Stop()
	for {
		err := p.next(ctx, beat.C)
		if err == nil {
			err = p.settle(ctx)
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// follow passes the daemon's events on until ctx ends. An error ends it.
func (p *livePage) follow(ctx context.Context) error {
	for ev, err := range p.c.api.Events(ctx, client.EventOptions{}) {
		if err != nil {
			return err
		}
		select {
		case p.events <- ev:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// next waits for something that changes the page, and takes it in.
func (p *livePage) next(ctx context.Context, beat <-chan time.Time) error {
	select {
	case ev := <-p.events:
		return p.take(ctx, ev)
	case found := <-p.ports.found:
		p.parts.changed(found.vm)
		p.scene.setPorts(found)
	case <-p.parts.measured:
		p.parts.measure()
		p.stale.measured()
	case <-p.stale.logged:
		p.stale.due = true
	case <-p.flush.C:
		p.waits = false
	case <-p.heed.due:
	case <-beat:
		return p.write(": alive\n\n")
	case err := <-p.failed:
		return cmp.Or(err, errStreamEnded)
	case <-ctx.Done():
	}
	return nil
}

var errStreamEnded = errors.New("the daemon's events ended")

func (p *livePage) take(ctx context.Context, ev api.Event) error {
	vm, err := p.scene.apply(ev)
	if err != nil {
		return err
	}
	p.stale.take(ev, vm == p.parts.one.id)
	switch ev.Kind {
	case api.EventReset:
		p.whole = false
		p.parts.forget()
	case api.EventLive:
		p.whole = true
		if err := p.recall(ctx); err != nil {
			return err
		}
	}
	p.parts.changed(vm)
	if v, ok := p.scene.vms[vm]; ok && p.parts.wantsPorts(v) && (ev.Kind == api.EventVM || ev.Kind == api.EventPorts) {
		p.ports.ask(v.vm)
	}
	return nil
}

// recall takes in what a page shows of the past, which the daemon's snapshot has not.
func (p *livePage) recall(ctx context.Context) error {
	switch p.parts.page {
	case pageDashboard:
		return p.c.recallDenials(ctx, p.scene)
	case pageOperation, pageOperations:
		return p.c.recallOperations(ctx, p.scene)
	}
	return nil
}

// settle puts the first change on the page at once, and those that follow it together.
func (p *livePage) settle(ctx context.Context) error {
	if p.waits || !p.whole || len(p.events) > 0 {
		return nil
	}
	if pause := flushEvery - time.Since(p.last); pause > 0 {
		p.flush.Reset(pause)
		p.waits = true
		return nil
	}
	p.last = time.Now()
	return p.send(ctx)
}

// update is what a page is sent.
type update struct {
	Version   string     `json:"version"`
	Fragments []fragment `json:"fragments,omitempty"`
	// Lists has, for each list, its elements in order: others are to go.
	Lists  map[string][]string `json:"lists,omitempty"`
	Toasts []string            `json:"toasts,omitempty"`
	Needs  int                 `json:"needs"`
	// Renew: the section of the page that is not among the fragments is out of date.
	Renew bool `json:"renew,omitempty"`
}

// fragment is an element of the page, and the list that it stands in, if in one.
type fragment struct {
	ID   string `json:"id"`
	In   string `json:"in,omitempty"`
	HTML string `json:"html"`
}

// send writes what differs from what the page has.
func (p *livePage) send(ctx context.Context) error {
	all, lists, err := p.parts.render(ctx, p.scene)
	if err != nil {
		return err
	}
	text, err := json.Marshal(lists)
	if err != nil {
		return err
	}
	u := update{Version: p.c.pages.version, Lists: lists, Renew: p.stale.now()}
	_, u.Needs = p.scene.counts()
	has := make(map[string]string, len(all))
	for _, f := range all {
		if has[f.ID] = f.HTML; p.sent[f.ID] != f.HTML {
			u.Fragments = append(u.Fragments, f)
		}
	}
	if u.Toasts, err = p.toasts(); err != nil {
		return err
	}
	if len(u.Fragments)+len(u.Toasts) == 0 && !u.Renew && p.lists == string(text) {
		return nil
	}
	p.sent, p.lists = has, string(text)
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return p.write("data: " + string(data) + "\n\n")
}

func (p *livePage) write(text string) error {
	if err := p.out.SetWriteDeadline(time.Now().Add(slowPage)); err != nil {
		return err
	}
	if _, err := p.w.Write([]byte(text)); err != nil {
		return err
	}
	return p.out.Flush()
}
