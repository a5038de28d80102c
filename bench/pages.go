package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/pace"
)

// paintedVMs is how many VMs the dashboard has whose first paint is measured.
const paintedVMs = 100

// pages measures the web console: the first paint of the dashboard with 100 VMs beside that
// of the same page as static files, and with 1,000 VMs of which 100 run, the daemon's time for
// the page, what a page that is open costs, and what 10,000 pages and 1,000 streams that are cut
// leave of bangerd's memory. It ends with the VMs that it made, which list needs, too.
func (b *bench) pages(ctx context.Context) error {
	if err := b.manyVMs(ctx, paintedVMs); err != nil {
		return err
	}
	visitor, err := b.letIn(ctx)
	if err != nil {
		return err
	}
	if err := b.firstPaint(ctx, visitor, paintedVMs); err != nil {
		return err
	}
	if err := b.manyVMs(ctx, manyVMs); err != nil {
		return err
	}
	machines, err := b.simulate(ctx)
	if err != nil {
		return err
	}
	defer machines.close()
	if visitor, err = b.letIn(ctx); err != nil { // the daemon is another
		return err
	}
	if err := b.dashboard(ctx, visitor, manyVMs); err != nil {
		return err
	}
	if err := b.idleStream(ctx, visitor); err != nil {
		return err
	}
	return b.flat(ctx, visitor)
}

// visitor is a session of the web console.
type visitor struct {
	http *http.Client
	url  string
}

func (b *bench) letIn(ctx context.Context) (*visitor, error) {
	link, err := b.banger(ctx, "web", "--print")
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	w := &visitor{http: &http.Client{Jar: jar, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			// As browsers do, and resolvers need not: names below localhost are this host.
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}}}
	link = strings.TrimSpace(link)
	at := strings.Index(link, "/enter/")
	if at < 0 {
		return nil, fmt.Errorf("no link: %q", link)
	}
	w.url = link[:at]
	_, err = w.get(ctx, link[at:])
	return w, err
}

// get reads a page whole.
func (w *visitor) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := w.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return body, err
}

func (w *visitor) timed(ctx context.Context, path string) (time.Duration, error) {
	begun := time.Now()
	_, err := w.get(ctx, path)
	return time.Since(begun), err
}

// dashboard compares the time to get the dashboard with that to get the same page as a static
// file, and prints what it takes of the daemon's CPU, which the machine's load does not change.
func (b *bench) dashboard(ctx context.Context, w *visitor, vms int) error {
	page, err := w.get(ctx, "/")
	if err != nil {
		return err
	}
	if got := strings.Count(string(page), "many-"); got < vms {
		return fmt.Errorf("the dashboard has %d of %d VMs", got, vms)
	}
	dir := filepath.Join(b.dir, "static")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "page.html"), page, 0o600); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	files := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- files.Serve(listener) }()
	static := &visitor{http: &http.Client{}, url: "http://" + listener.Addr().String()}
	var pairs []pair
	took, err := b.daemonCPU(ctx, func() (err error) {
		pairs, err = interleaved(max(31, b.pairs),
			func() (time.Duration, error) { return w.timed(ctx, "/") },
			func() (time.Duration, error) { return static.timed(ctx, "/page.html") })
		return err
	})
	err = errors.Join(err, files.Close())
	if serveErr := <-ended; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	if err != nil {
		return err
	}
	const limit = 50 * time.Millisecond
	if _, err := fmt.Fprintf(b.out, "%-30s %6.1f ms of the daemon's CPU for each   (limit: %s)\n", fmt.Sprintf("dashboard of %d VMs", vms), 1000*took.Seconds()/float64(len(pairs)), limit); err != nil {
		return err
	}
	return b.report(fmt.Sprintf("dashboard of %d VMs", vms), "the page as a static file", limitOf(limit, pairs), pairs)
}

const (
	pageLoads   = 10_000
	cutStreams  = 1_000
	flatParts   = 10
	idleSeconds = 20
)

// loaded is the page that is loaded the n-th time. Each is, but mostly the one that is the least
// work, or a run would take half an hour.
func loaded(n int) string {
	if n%50 == 0 {
		return []string{"/", "/operations", "/images", "/kernels"}[n/50%4]
	}
	return "/settings"
}

// idleStream prints what an open page takes of a core while nothing changes.
func (b *bench) idleStream(ctx context.Context, w *visitor) error {
	rest := func() error { return pace.Pause(ctx, idleSeconds*time.Second) }
	without, err := b.daemonCPU(ctx, rest)
	if err != nil {
		return err
	}
	streaming, stop := context.WithCancel(ctx)
	defer stop()
	stream, err := w.stream(streaming)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	go func() { _, _ = io.Copy(io.Discard, stream) }()
	if err := pace.Pause(ctx, 3*time.Second); err != nil { // its beginning is not measured
		return err
	}
	with, err := b.daemonCPU(ctx, rest)
	if err != nil {
		return err
	}
	percent := func(d time.Duration) float64 { return 100 * d.Seconds() / idleSeconds }
	_, err = fmt.Fprintf(b.out, "%-30s %6.2f %% of a core with an open page, %.2f %% without   (limit: 1 %% more)\n", "idle, 1,000 VMs, 100 running", percent(with), percent(without))
	return err
}

// flat prints what bangerd's memory is after many pages and streams, beside what it was
// after the first of them.
func (b *bench) flat(ctx context.Context, w *visitor) error {
	pid, err := b.daemonPID(ctx)
	if err != nil {
		return err
	}
	polite := rate.NewLimiter(90, 1) // the console takes 100 requests a second
	before := int64(0)
	for part := range flatParts {
		for n := range pageLoads / flatParts {
			if err := polite.Wait(ctx); err != nil {
				return err
			}
			if _, err := w.get(ctx, loaded(n)); err != nil {
				return err
			}
		}
		for n := range cutStreams / flatParts {
			if err := polite.Wait(ctx); err != nil {
				return err
			}
			cut := w.cut
			if n%2 == 1 {
				cut = b.cutEvents
			}
			if err := cut(ctx); err != nil {
				return err
			}
		}
		_, private, err := resident(pid)
		if err != nil {
			return err
		}
		if part == 0 {
			before = private
		}
		if _, err := fmt.Fprintf(b.out, "%-30s %6.1f MiB after %d pages and %d streams   ratio to the first %.2f\n", "memory of bangerd",
			mib(private), (part+1)*pageLoads/flatParts, (part+1)*cutStreams/flatParts, float64(private)/float64(before)); err != nil {
			return err
		}
	}
	return nil
}

// cutEvents opens the stream of events, reads its beginning, and goes.
func (b *bench) cutEvents(ctx context.Context) error {
	c := client.New(filepath.Join(b.dir, "run", "banger", "bangerd.sock"))
	defer c.Close()
	for _, err := range c.Events(ctx, client.EventOptions{}) {
		return err
	}
	return errors.New("the stream of events ended")
}

// cut opens a stream, reads its beginning, and goes.
func (w *visitor) cut(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stream, err := w.stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	_, err = stream.Read(make([]byte, 1))
	return err
}

// stream opens the dashboard's stream, which ends with ctx. The caller closes it.
func (w *visitor) stream(ctx context.Context) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/live?page=dashboard", nil)
	if err != nil {
		return nil, err
	}
	answer, err := w.http.Do(req)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("the dashboard's stream: %s", answer.Status)
	}
	return answer.Body, nil
}

// daemonCPU is what bangerd takes of the CPUs while do runs.
func (b *bench) daemonCPU(ctx context.Context, do func() error) (time.Duration, error) {
	pid, err := b.daemonPID(ctx)
	if err != nil {
		return 0, err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := cpuTime(pid)
	return after - before, err
}

// cpuTime is what a process has taken of the CPUs, by /proc/PID/stat (proc(5)): the
// fields 14 and 15, in ticks of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
