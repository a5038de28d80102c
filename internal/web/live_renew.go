package web

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/pace"
)

// renewEvery is how often a page reads a log again at most.
const renewEvery = time.Second

// renewer tells a section of a VM's page that is not rendered for the stream when it is out
// of date. The page then reads its part of it again. Its fields are of the goroutine that
// runs the page.
type renewer struct {
	section   string
	operation string // that the section shows
	due       bool
	logged    chan struct{} // the log that the section shows has more
	again     chan struct{} // the VM has changed: its log may go on
}

// renewed reports whether a section is kept up to date in this way.
func renewed(section string) bool {
	switch section {
	case "workspace", "ports", "egress", "console", "processes":
		return true
	}
	return false
}

// keepCurrent begins. What came between the page and its stream is due at once.
func (p *livePage) keepCurrent(ctx context.Context, work *sync.WaitGroup, section, operation string) {
	p.stale = renewer{section: section, operation: operation, logged: make(chan struct{}), again: make(chan struct{}, 1)}
	if p.parts.page != pageVM || !renewed(section) {
		p.stale.section = ""
		return
	}
	p.stale.due = true
	open := map[string]func(context.Context, string, client.LogOptions) (io.ReadCloser, error){"console": p.c.api.VMLogs, "egress": p.c.api.VMEgressLog}[section]
	if open == nil {
		return
	}
	more := make(chan struct{}, 1)
	vm, again, logged := p.parts.subject, p.stale.again, p.stale.logged
	work.Go(func() {
		for ctx.Err() == nil {
			if log, err := open(ctx, vm, client.LogOptions{Follow: true}); err == nil {
				notice(log, more)
			}
			select {
			case <-again:
			case <-ctx.Done():
			}
		}
	})
	work.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
			select {
			case logged <- struct{}{}:
			case <-ctx.Done():
			}
			_ = pace.Pause(ctx, renewEvery)
		}
	})
}

// notice reads a log to its end, and tells that there is more.
func notice(log io.ReadCloser, more chan<- struct{}) {
	defer func() { _ = log.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := log.Read(buf)
		if n > 0 {
			select {
			case more <- struct{}{}:
			default:
			}
		}
		if err != nil && !errors.Is(err, io.ErrNoProgress) {
			return
		}
	}
}

// take notes what an event puts out of date; mine: it is about the VM of the page.
func (r *renewer) take(ev api.Event, mine bool) {
	switch ev.Kind {
	case api.EventOperation:
		r.due = r.due || r.operation != "" && ev.Object == r.operation
	case api.EventVM:
		if !mine {
			return
		}
		r.due = true
		select {
		case r.again <- struct{}{}:
		default:
		}
	case api.EventWorkspace, api.EventPorts, api.EventEgress:
		r.due = r.due || mine && map[string]string{api.EventWorkspace: "workspace", api.EventPorts: "ports", api.EventEgress: "egress"}[ev.Kind] == r.section
	case api.EventReset:
		r.due = true
	}
}

// measured notes that VMs were measured: processes are looked at as often.
func (r *renewer) measured() { r.due = r.due || r.section == "processes" }

// now reports, once, whether the section is out of date.
func (r *renewer) now() bool {
	due := r.due && r.section != ""
	r.due = false
	return due
}
