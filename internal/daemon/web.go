package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/web"
	"github.com/bangervm/banger/internal/web/gate"
	"github.com/bangervm/banger/internal/wholefile"
)

// webDoor serves the web console at the address that the configuration names. That it
// cannot is shown, and ends nothing.
type webDoor struct {
	d    *daemon
	book *gate.Book

	mu      sync.Mutex
	address string       // as configured
	console *web.Console // nil: there is none
	problem string       // why, though there should be one
	end     context.CancelFunc
	served  sync.WaitGroup
}

func newWebDoor(d *daemon) *webDoor {
	record := readWebRecord(d.dirs)
	return &webDoor{d: d, book: gate.NewBook(record, time.Now, func(r gate.Record) error { return writeWebRecord(d.dirs, r) })}
}

// serve moves the console to address, or ends it (web.Off).
func (w *webDoor) serve(ctx context.Context, address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if address == w.address {
		return
	}
	w.closeLocked()
	w.address = address
	if address == config.WebOff {
		return
	}
	listeners, same, problem, err := w.listen(ctx, address)
	w.problem = problem
	if err == nil {
		err = w.begin(ctx, listeners, same)
	}
	if err != nil {
		w.problem = err.Error()
	}
	if w.problem != "" {
		w.d.log.Warn("the web console is not where it is configured", "problem", w.problem)
	}
}

// begin serves until closeLocked. The console reaches the daemon as every client does.
// same: nobody else had the port since the daemon before, so browsers that were let in stay so.
func (w *webDoor) begin(ctx context.Context, listeners web.Listeners, same bool) error {
	if !same {
		if err := w.book.Renew(); err != nil {
			w.d.log.Warn("the web console's name is not kept", "error", err)
		}
	}
	through := client.New(w.d.dirs.Socket())
	through.StateDir = w.d.dirs.State
	console, err := web.New(listeners, web.Options{API: through, Book: w.book, Own: ownPeer, Now: time.Now, Log: w.d.log, Roots: w.roots})
	if err != nil {
		return err
	}
	ctx, w.end = context.WithCancel(context.WithoutCancel(ctx))
	w.console = console
	w.served.Go(func() {
		defer through.Close()
		if err := console.Serve(ctx); err != nil {
			w.d.log.Error("the web console ended", "error", err)
		}
	})
	return nil
}

// roots are where the console picks files.
func (w *webDoor) roots() []string {
	roots := w.d.host.set.webRoots()
	if home, err := os.UserHomeDir(); err == nil {
		roots = append([]string{home}, roots...)
	}
	return roots
}

// close ends the console, and waits for the requests under way, which have a moment. Its
// port is kept for the next daemon if browsers are signed in.
func (w *webDoor) close() {
	w.mu.Lock()
	w.keep()
	w.closeLocked()
	w.mu.Unlock()
	w.served.Wait()
}

func (w *webDoor) closeLocked() {
	if w.end != nil {
		w.end()
	}
	w.address, w.console, w.problem, w.end = "", nil, "", nil
}

// state is the console's URL, or why there is none.
func (w *webDoor) state() (url, problem string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.console != nil {
		url = w.console.URL()
	}
	return url, w.problem
}

// Link implements server.Web.
func (w *webDoor) Link() (url string, ends time.Time, err error) {
	w.mu.Lock()
	console, problem := w.console, w.problem
	w.mu.Unlock()
	switch {
	case console != nil:
		return console.Link()
	case problem != "":
		return "", time.Time{}, fault.New(fault.Unavailable, "there is no web console: %s", problem)
	default:
		return "", time.Time{}, fault.New(fault.Unavailable, "the web console is off").WithHint("set listen in the [web] table of config.toml")
	}
}

// SignOut implements server.Web.
func (w *webDoor) SignOut() (int, error) { return w.book.SignOut() }

// webFormat is that of web.json.
const (
	webFormat    = 1
	maxWebRecord = 64 << 10
)

type webRecord struct {
	Format int `json:"format"`
	gate.Record
}

// readWebRecord returns what was kept; what cannot be read is as if there were none,
// which only signs browsers out.
func readWebRecord(dirs statedir.Dirs) gate.Record {
	data, err := regularfile.Read(dirs.Web(), maxWebRecord)
	if err != nil {
		return gate.Record{}
	}
	var kept webRecord
	if json.Unmarshal(data, &kept) != nil || kept.Format != webFormat {
		return gate.Record{}
	}
	return kept.Record
}

func writeWebRecord(dirs statedir.Dirs, r gate.Record) error {
	data, err := json.MarshalIndent(webRecord{Format: webFormat, Record: r}, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Replace(dirs.Web(), bytes.NewReader(append(data, '\n')), 0o600)
}
