package gate

import (
	"context"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/bangervm/banger/internal/ids"
)

const (
	// MaxBody bounds the body of a form, in bytes.
	MaxBody = 256 << 10
	// EnterPath is what a link's secret stands behind.
	EnterPath = "/enter/"

	domain       = ".localhost"
	cookieName   = "banger"
	tokenField   = "token"
	maxTarget    = 4 << 10
	perSecond    = 100
	burst        = 300
	triesPerMin  = 10
	policyHeader = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
		"connect-src 'self'; worker-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// Host is the console's host at a port.
func (b *Book) Host(port uint16) string { return b.Name() + domain + ":" + strconv.Itoa(int(port)) }

// Gate lets requests of the console's own pages through, and nothing else.
type Gate struct {
	book *Book
	host func() string
	// open says which requests need no session, since what they get tells nothing.
	open func(*http.Request) bool
	// refuse writes a page that says why a request is not let in.
	refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)

	requests *rate.Limiter
	tries    *rate.Limiter
}

// New makes the gate of the console at host ("NAME.localhost:PORT"). refuse writes
// the page of a refusal; it may not say more than it is told. open says for which
// requests, such as those for a style sheet, nobody needs to be let in.
func New(book *Book, host func() string, open func(*http.Request) bool, refuse func(http.ResponseWriter, *http.Request, int, string)) *Gate {
	return &Gate{
		book: book, host: host, open: open, refuse: refuse,
		requests: rate.NewLimiter(perSecond, burst),
		tries:    rate.NewLimiter(rate.Every(time.Minute/triesPerMin), triesPerMin),
	}
}

type cookieKey struct{}

// Token is the form token for the pages of the session that ctx's request belongs to.
func Token(ctx context.Context) string {
	cookie, _ := ctx.Value(cookieKey{}).(string)
	return FormToken(cookie)
}

// Wrap returns the console behind the gate. next sees only requests of a session
// that lasts, and of those that change something only what the session's own pages
// sent, with a parsed form of at most MaxBody bytes.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		// The host comes before anything else: after it no rebound name is left. What a
		// browser keeps of a name that was the console's before may be another program's.
		if r.Host != g.host() {
			if wasOurs(r.Host) {
				forget(w.Header())
			}
			turnAway(w.Header())
			http.Error(w, "This is not the address of the console, or no longer. Run: banger web", http.StatusMisdirectedRequest)
			return
		}
		if status, reason := g.bounds(r); status != 0 {
			turnAway(w.Header())
			g.refuse(w, r, status, reason)
			return
		}
		if isWorker(r) {
			forget(w.Header())
			turnAway(w.Header())
			g.refuse(w, r, http.StatusForbidden, "The console has no scripts that outlive its pages.")
			return
		}
		if secret, ok := strings.CutPrefix(r.URL.Path, EnterPath); ok && r.Method == http.MethodGet {
			g.enter(w, r, secret)
			return
		}
		if r.Method == http.MethodGet && g.open(r) {
			next.ServeHTTP(w, r)
			return
		}
		r, cookie, release, ok := g.ofSession(r)
		if !ok {
			turnAway(w.Header())
			g.refuse(w, r, http.StatusUnauthorized, "This browser is not signed in, or no longer.")
			return
		}
		defer release()
		if status, reason := g.own(w, r, cookie); status != 0 {
			g.refuse(w, r, status, reason)
			return
		}
		letIn(r)
		next.ServeHTTP(w, r)
	})
}

// ofSession is a request as one of the session that its cookie is of: it ends with that.
// False: there is no such session, and the request is as it was.
func (g *Gate) ofSession(r *http.Request) (in *http.Request, cookie string, release func(), ok bool) {
	sent, err := r.Cookie(cookieName)
	if err != nil {
		return r, "", nil, false
	}
	ctx, release, ok := g.book.Hold(r.Context(), sent.Value)
	if !ok {
		return r, "", nil, false
	}
	return r.WithContext(context.WithValue(ctx, cookieKey{}, sent.Value)), sent.Value, release, true
}

// wasOurs reports whether a host is such as the console has, and so may have had.
func wasOurs(host string) bool {
	name, port, ok := strings.Cut(host, domain+":")
	return ok && ids.Like(name) && port != ""
}

// isWorker reports whether a browser asks for the script of a service worker, which the
// console has none of: a browser that asks again has one of another program's.
func isWorker(r *http.Request) bool {
	return r.Header.Get("Service-Worker") != "" || r.Header.Get("Sec-Fetch-Dest") == "serviceworker"
}

// forget has the browser remove what it keeps of this origin, service workers first of all.
func forget(h http.Header) { h.Set("Clear-Site-Data", `"cache", "storage"`) }

// turnAway ends the connection of a request that no session sent, as it costs nothing to
// send more.
func turnAway(h http.Header) { h.Set("Connection", "close") }

// protect sets what holds for every answer.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policyHeader)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// With no-referrer a browser would call the origin of the console's own forms null.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// bounds refuses by what a request is, whoever sends it. Status 0: it may pass.
func (g *Gate) bounds(r *http.Request) (status int, reason string) {
	switch {
	case !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, r.Method):
		return http.StatusMethodNotAllowed, "The console knows only GET, HEAD and POST."
	case len(r.RequestURI) > maxTarget:
		return http.StatusRequestURITooLong, "The address is too long."
	case !g.requests.Allow():
		return http.StatusTooManyRequests, "The console gets too many requests. Try again in a moment."
	}
	return 0, ""
}

// own refuses what other pages sent, though the browser added the session's cookie.
func (g *Gate) own(w http.ResponseWriter, r *http.Request, cookie string) (status int, reason string) {
	const foreign = "Another page sent this request. Use the console's own pages."
	site, dest := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest")
	navigation := r.Header.Get("Sec-Fetch-Mode") == "navigate" && dest == "document" && r.Method == http.MethodGet
	if site != "" && site != "same-origin" && site != "none" && !navigation {
		return http.StatusForbidden, foreign
	}
	changes := r.Method == http.MethodPost
	if !changes && r.Header.Get("Upgrade") == "" {
		return 0, ""
	}
	if r.Header.Get("Origin") != "http://"+g.host() {
		return http.StatusForbidden, foreign
	}
	if !changes {
		return 0, ""
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return http.StatusUnsupportedMediaType, "The console takes only the forms of its own pages."
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	if err := r.ParseForm(); err != nil {
		return http.StatusRequestEntityTooLarge, "The form is too long, or cannot be read."
	}
	if !same(r.PostForm.Get(tokenField), FormToken(cookie)) {
		return http.StatusForbidden, foreign
	}
	return 0, ""
}

// enter exchanges a link for a session. It answers with a page that leads on, not
// with a redirect: a browser sends a SameSite=Strict cookie only with a request that
// the console's own page began, and the link may have been opened from elsewhere.
func (g *Gate) enter(w http.ResponseWriter, r *http.Request, secret string) {
	if !g.tries.Allow() {
		turnAway(w.Header())
		g.refuse(w, r, http.StatusTooManyRequests, "Too many links were tried. Try again in a minute.")
		return
	}
	cookie, err := g.book.Enter(secret)
	if err != nil {
		turnAway(w.Header())
		g.refuse(w, r, http.StatusUnauthorized, "This link does not work: it was used before, or it is too old.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: cookie, Path: "/", MaxAge: int(SessionLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	for name, value := range g.book.choices() {
		SetChoice(w, name, value)
	}
	forget(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(`<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">` +
		`<title>banger</title><p><a href="/">Open the console</a></p></html>`))
}

// SetChoice has the browser keep a choice of the user's for a year; an empty value forgets it.
func SetChoice(w http.ResponseWriter, name, value string) {
	age := int(choiceLife.Seconds())
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, SameSite: http.SameSiteStrictMode, HttpOnly: true})
}
