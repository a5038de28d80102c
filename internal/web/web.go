package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/web/gate"
)

const (
	headerTime  = 5 * time.Second
	readTime    = 30 * time.Second
	idleTime    = 2 * time.Minute
	maxHeader   = 16 << 10
	maxConns    = 128
	endingGrace = 2 * time.Second
)

// Options are what a console is made of.
type Options struct {
	API  API
	Book *gate.Book
	Now  func() time.Time
	Log  *slog.Logger
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
	followers followers
	listener  net.Listener
	host      string
	started   time.Time
}

// Listen takes the console's address on this host: "ADDRESS:PORT" with a loopback
// address; port 0 is any free one, and a port that is taken is Unavailable.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || !addr.Addr().IsLoopback() {
		return nil, fault.New(fault.Invalid, "%s is not a loopback address with a port, such as 127.0.0.1:7777", address)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr.String())
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the web console cannot listen on %s", address)
	}
	return l, nil
}

// New makes the console that answers at l, which it owns from then on.
func New(l net.Listener, o Options) (*Console, error) {
	pages, err := loadPages()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Console{
		api: o.API, book: o.Book, now: o.Now, log: o.Log, pages: pages, roots: rootsOr(o.Roots), meter: newMeter(o.API, o.Now, o.Log),
		started: o.Now(), listener: netutil.LimitListener(l, maxConns), host: o.Book.Name() + ".localhost:" + port,
	}, nil
}

func rootsOr(roots func() []string) func() []string {
	if roots == nil {
		return func() []string { return nil }
	}
	return roots
}

// Address is where it listens, as "ADDRESS:PORT".
func (c *Console) Address() string { return c.listener.Addr().String() }

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

// Serve answers requests until ctx ends, then those under way for a moment.
func (c *Console) Serve(ctx context.Context) error {
	guard := gate.New(c.book, func() string { return c.host }, isAsset, c.refuse)
	srv := &http.Server{
		Handler:           guard.Wrap(c.routes()),
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), endingGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	defer stop()
	defer c.meter.work.Wait()
	defer c.followers.end()
	defer c.streams.ended.Wait()
	if err := srv.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the web console: %w", err)
	}
	return nil
}
