package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/web/gate"
)

const (
	headerTime  = 5 * time.Second
	readTime    = 30 * time.Second
	idleTime    = 2 * time.Minute
	maxHeader   = 16 << 10
	endingGrace = 2 * time.Second
)

// Options are what a console is made of.
type Options struct {
	API  API
	Book *gate.Book
	// Own says whose programs may connect.
	Own gate.OwnPeer
	Now func() time.Time
	Log *slog.Logger
	// Roots are the directories below which the picker of paths shows what there is; nil:
	// none.
	Roots func() []string
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	api   API
	book  *gate.Book
	now   func() time.Time
	log   *slog.Logger
	pages *pages
	meter *meter
	roots func() []string

	streams   streams
	listeners Listeners
	conns     *gate.Conns
	host      string
	started   time.Time
}

// New makes the console that answers at l, which it owns from then on, under the name that
// the book has now.
func New(l Listeners, o Options) (*Console, error) {
	pages, err := loadPages()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Console{
		api: o.API, book: o.Book, now: o.Now, log: o.Log, pages: pages, roots: rootsOr(o.Roots), meter: newMeter(o.API, o.Now, o.Log),
		started: o.Now(), listeners: l, conns: gate.NewConns(o.Own, o.Log), host: o.Book.Host(l.Port()),
	}, nil
}

func rootsOr(roots func() []string) func() []string {
	if roots == nil {
		return func() []string { return nil }
	}
	return roots
}

// Address is where it listens first, as "ADDRESS:PORT".
func (c *Console) Address() string { return c.listeners[0].Addr().String() }

// Listeners are its port, which it gives up when it ends.
func (c *Console) Listeners() Listeners { return c.listeners }

// URL is the console's own address. A browser that is not signed in sees no more there
// than how to.
func (c *Console) URL() string { return "http://" + c.host + "/" }

// Link makes a URL that signs one browser in, once, until ends.
func (c *Console) Link() (url string, ends time.Time, err error) {
	secret, ends, err := c.book.Link()
	if err != nil {
		return "", time.Time{}, err
	}
	return c.URL() + strings.TrimPrefix(gate.EnterPath, "/") + secret, ends, nil
}

// SignOut ends all browsers' sessions, and says how many there were.
func (c *Console) SignOut() (sessions int, err error) { return c.book.SignOut() }

// newServer is a server whose requests end with ctx, and that gives nobody much time or room.
func newServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ConnContext:    gate.WithConn,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Serve answers requests until ctx ends, then those under way for a moment.
func (c *Console) Serve(ctx context.Context) error {
	guard := gate.New(c.book, func() string { return c.host }, isAsset, c.refuse)
	srv := newServer(ctx, guard.Wrap(c.routes()), c.log)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), endingGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	defer stop()
	defer c.meter.work.Wait()
	defer c.streams.ended.Wait()
	ended := make(chan error, len(c.listeners))
	for _, l := range c.listeners {
		go func() { ended <- srv.Serve(c.conns.Of(l)) }()
	}
	var errs []error
	for range c.listeners {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("serve the web console: %w", err), srv.Close())
		}
	}
	return errors.Join(errs...)
}
