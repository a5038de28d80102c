//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// anotherUser is a uid that no account has.
const anotherUser = 64218

// squat has another program take the console's port at both addresses while bangerd is down,
// as any user of the host can. The page that is open, and another tab of it, run into it:
// it reads their cookie, and leaves a service worker.
func (v *browserVerb) squat(ctx context.Context, ts *testscript.TestScript) {
	origin, err := v.browser.Value(ctx, "location.origin")
	ts.Check(err)
	console, err := url.Parse(origin)
	ts.Check(err)
	squatter := &squatter{cookies: make(chan string, 1)}
	srv := &http.Server{Handler: squatter, ReadHeaderTimeout: time.Second}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer func() { _ = srv.Close() }()
	for _, address := range []string{"127.0.0.1", "::1"} {
		l, err := takeOver(ctx, net.JoinHostPort(address, console.Port()))
		ts.Check(whileAt("squat at "+address, err))
		serving.Go(func() { _ = srv.Serve(l) })
	}
	select {
	case cookie := <-squatter.cookies:
		ts.Setenv("LOOT", cookie)
	case <-ctx.Done():
		ts.Fatalf("no page that was open came to the squatter")
	}
	ts.Check(v.browser.Go(ctx, origin+"/"))
	ts.Check(v.browser.Is(ctx, `document.title === "squatter" && window.registered === true`))
	ts.Setenv("CONSOLE", origin)
}

// takeOver listens at an address as soon as nobody else does.
func takeOver(ctx context.Context, address string) (net.Listener, error) {
	for {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// squatter is a server at an address that browsers take for the console's.
type squatter struct{ cookies chan string }

// ServeHTTP is part of http.Handler.
func (s *squatter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie("banger"); err == nil {
		select {
		case s.cookies <- c.Value:
		default:
		}
	}
	switch r.URL.Path {
	case "/sw.js":
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, `addEventListener("install", () => skipWaiting()); addEventListener("activate", (e) => e.waitUntil(clients.claim()));
addEventListener("fetch", (e) => { if (e.request.mode === "navigate") e.respondWith(fetch(e.request)); });`)
	case "/":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><title>squatter</title><script>
navigator.serviceWorker.register("/sw.js").then(() => navigator.serviceWorker.ready).then(() => { window.registered = true; });</script>`)
	default:
		http.NotFound(w, r)
	}
}

// kept says that nobody else can have the console's port.
func (v *browserVerb) kept(ctx context.Context, ts *testscript.TestScript) {
	origin, err := v.browser.Value(ctx, "location.origin")
	ts.Check(err)
	console, err := url.Parse(origin)
	ts.Check(err)
	for _, address := range []string{"127.0.0.1", "::1"} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(address, console.Port()))
		if !errors.Is(err, syscall.EADDRINUSE) {
			ts.Fatalf("another program has the console's port at %s: %v, %v", address, l, err)
		}
	}
}

// useless says that a stolen cookie gets nobody in: not at the console's name of now, nor at the
// one before.
func (v *browserVerb) useless(ctx context.Context, ts *testscript.TestScript, cookie string) {
	origin, err := v.browser.Value(ctx, "location.origin")
	ts.Check(err)
	if origin == ts.Getenv("CONSOLE") {
		ts.Fatalf("the console has the name that it had: %s", origin)
	}
	for _, at := range []string{origin, ts.Getenv("CONSOLE")} {
		console, err := url.Parse(at)
		ts.Check(err)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+console.Port()+"/", nil)
		ts.Check(err)
		req.Host = console.Host
		req.AddCookie(&http.Cookie{Name: "banger", Value: cookie})
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusMisdirectedRequest {
			ts.Fatalf("with a stolen cookie %s answers %s", console.Host, res.Status)
		}
	}
}

// otherUser has another user of the host connect to the console, at both addresses. Only root
// can act as one.
func (v *browserVerb) otherUser(ctx context.Context, ts *testscript.TestScript) {
	if os.Geteuid() != 0 {
		ts.Logf("not tried: only root can act as another user")
		return
	}
	origin, err := v.browser.Value(ctx, "location.origin")
	ts.Check(err)
	console, err := url.Parse(origin)
	ts.Check(err)
	for _, address := range []string{"127.0.0.1", "::1"} {
		own, err := ask(ctx, address, console, 0)
		if err != nil || !regexp.MustCompile(`^HTTP/1.1 401`).MatchString(own) {
			ts.Fatalf("root at %s reads %q, %v", address, own, err)
		}
		theirs, _ := ask(ctx, address, console, anotherUser)
		if strings.Contains(theirs, "HTTP") {
			ts.Fatalf("another user at %s reads %q", address, theirs)
		}
	}
}

// ask sends a request to the console as a user, and returns the answer.
func ask(ctx context.Context, address string, console *url.URL, uid uint32) (string, error) {
	const script = `exec 3<>"/dev/tcp/$0/$1"; printf 'GET / HTTP/1.1\r\nHost: %s\r\n\r\n' "$2" >&3; cat <&3`
	cmd := exec.CommandContext(ctx, "bash", "-c", script, address, console.Port(), console.Host)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return string(out), err
}
