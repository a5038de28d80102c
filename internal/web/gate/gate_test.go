package gate_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/web/gate"
)

// site is a console behind its gate, whose pages answer with their form token.
type site struct {
	t    *testing.T
	now  time.Time
	book *gate.Book
	kept gate.Record
	http http.Handler
}

func newSite(t *testing.T) *site {
	s := &site{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s.reopen()
	return s
}

// reopen is the site as the next daemon serves it.
func (s *site) reopen() {
	s.book = gate.NewBook(s.kept, func() time.Time { return s.now }, func(r gate.Record) error { s.kept = r; return nil })
	refuse := func(w http.ResponseWriter, _ *http.Request, status int, reason string) { http.Error(w, reason, status) }
	style := func(r *http.Request) bool { return r.URL.Path == "/style" }
	page := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("page " + gate.Token(r.Context())))
	}
	s.http = gate.New(s.book, s.host, style, refuse).Wrap(http.HandlerFunc(page))
}

func (s *site) host() string { return s.book.Host(7777) }

// knows reports whether a session of this cookie lasts.
func (s *site) knows(cookie string) bool {
	_, release, ok := s.book.Hold(s.t.Context(), cookie)
	if ok {
		release()
	}
	return ok
}

// signIn uses a new link and returns the session's cookie.
func (s *site) signIn() *http.Cookie {
	s.t.Helper()
	secret, _, err := s.book.Link()
	if err != nil {
		s.t.Fatal(err)
	}
	res := s.get("/enter/"+secret, nil)
	if res.Code != http.StatusOK || len(res.Result().Cookies()) != 1 {
		s.t.Fatalf("the link answers %d %s", res.Code, res.Body)
	}
	return res.Result().Cookies()[0]
}

func (s *site) get(path string, edit func(*http.Request)) *httptest.ResponseRecorder {
	return s.do(httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, path, nil), edit)
}

// post sends what a form of the console's own page sends.
func (s *site) post(cookie *http.Cookie, edit func(*http.Request)) *httptest.ResponseRecorder {
	form := url.Values{"token": {gate.FormToken(cookie.Value)}}
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/vms", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://"+s.host())
	r.AddCookie(cookie)
	return s.do(r, edit)
}

func body(form string) io.ReadCloser { return io.NopCloser(strings.NewReader(form)) }

func (s *site) do(r *http.Request, edit func(*http.Request)) *httptest.ResponseRecorder {
	r.Host = s.host()
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	s.http.ServeHTTP(w, r)
	return w
}

func TestWhoIsLetIn(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn()
	with := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.AddCookie(cookie); r.Header.Set(key, value) }
	}
	for name, test := range map[string]struct {
		edit func(*http.Request)
		want int
	}{
		"a session":            {with("Sec-Fetch-Site", "same-origin"), 200},
		"no cookie":            {nil, 401},
		"a wrong cookie":       {func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "banger", Value: "x"}) }, 401},
		"a rebound name":       {func(r *http.Request) { r.AddCookie(cookie); r.Host = "evil.example:7777" }, 421},
		"the bare address":     {func(r *http.Request) { r.AddCookie(cookie); r.Host = "127.0.0.1:7777" }, 421},
		"no port":              {func(r *http.Request) { r.AddCookie(cookie); r.Host = s.book.Name() + ".localhost" }, 421},
		"another page's image": {with("Sec-Fetch-Site", "cross-site"), 403},
		"another port's fetch": {with("Sec-Fetch-Site", "same-site"), 403},
		"another method":       {func(r *http.Request) { r.AddCookie(cookie); r.Method = http.MethodDelete }, 405},
		"a long address":       {func(r *http.Request) { r.AddCookie(cookie); r.RequestURI = strings.Repeat("x", 5000) }, 414},
		"a framed page": {func(r *http.Request) {
			r.AddCookie(cookie)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "iframe")
		}, 403},
		"a WebSocket of another page": {func(r *http.Request) {
			r.AddCookie(cookie)
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Origin", "http://evil.example")
		}, 403},
		"a WebSocket without an origin": {with("Upgrade", "websocket"), 403},
		"its own WebSocket": {func(r *http.Request) {
			r.AddCookie(cookie)
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Origin", "http://"+s.host())
		}, 200},
	} {
		if got := s.get("/", test.edit); got.Code != test.want {
			t.Errorf("%s: %d %s, want %d", name, got.Code, got.Body, test.want)
		}
	}
}

func TestWhoMayChange(t *testing.T) {
	s := newSite(t)
	cookie, other := s.signIn(), s.signIn()
	for name, test := range map[string]struct {
		edit func(*http.Request)
		want int
	}{
		"its own form":         {nil, 200},
		"a foreign origin":     {func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403},
		"no origin":            {func(r *http.Request) { r.Header.Del("Origin") }, 403},
		"a null origin":        {func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		"another port":         {func(r *http.Request) { r.Header.Set("Origin", "http://"+s.book.Name()+".localhost:7778") }, 403},
		"text/plain":           {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		"multipart":            {func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") }, 415},
		"JSON":                 {func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 415},
		"a cross-site form":    {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"another session's":    {func(r *http.Request) { r.Header.Del("Cookie"); r.AddCookie(other) }, 403},
		"without a token":      {func(r *http.Request) { r.Body = body("x=y") }, 403},
		"a token in the query": {func(r *http.Request) { r.Body = body(""); r.URL.RawQuery = "token=" + gate.FormToken(cookie.Value) }, 403},
		"a long form":          {func(r *http.Request) { r.Body = body("x=" + strings.Repeat("y", gate.MaxBody)) }, 413},
	} {
		if got := s.post(cookie, test.edit); got.Code != test.want {
			t.Errorf("%s: %d %s, want %d", name, got.Code, got.Body, test.want)
		}
	}
}

func TestAStyleSheetIsForAll(t *testing.T) {
	s := newSite(t)
	if got := s.get("/style", nil); got.Code != http.StatusOK {
		t.Errorf("%d", got.Code)
	}
	rebound := s.get("/style", func(r *http.Request) { r.Host = "evil.example" })
	posted := s.get("/style", func(r *http.Request) { r.Method = http.MethodPost })
	if rebound.Code != http.StatusMisdirectedRequest || posted.Code != http.StatusUnauthorized {
		t.Errorf("%d, %d", rebound.Code, posted.Code)
	}
}

func TestALinkWorksOnceAndSoon(t *testing.T) {
	s := newSite(t)
	secret, ends, err := s.book.Link()
	if err != nil || ends.Sub(s.now) != gate.LinkLife {
		t.Fatal(ends, err)
	}
	if _, err := s.book.Enter(secret); err != nil {
		t.Fatal(err)
	}
	if _, err := s.book.Enter(secret); !errors.Is(err, fault.PermissionDenied) {
		t.Errorf("a used link: %v", err)
	}
	late, _, _ := s.book.Link()
	s.now = s.now.Add(gate.LinkLife)
	if _, err := s.book.Enter(late); !errors.Is(err, fault.PermissionDenied) {
		t.Errorf("a late link: %v", err)
	}
}

// Whoever has stolen a link gets no session by it, and learns nothing.
func TestAStolenLinkLetsNobodyIn(t *testing.T) {
	s := newSite(t)
	used, _, _ := s.book.Link()
	s.get("/enter/"+used, nil)
	late, _, _ := s.book.Link()
	s.now = s.now.Add(gate.LinkLife)
	for name, secret := range map[string]string{"used": used, "60 s old": late} {
		got := s.get("/enter/"+secret, nil)
		if got.Code != http.StatusUnauthorized || len(got.Result().Cookies()) > 0 || strings.Contains(got.Body.String(), "page ") {
			t.Errorf("a link that is %s: %d %s %v", name, got.Code, got.Body, got.Result().Cookies())
		}
	}
	if len(s.kept.Sessions) != 1 {
		t.Errorf("%d sessions after one link was used", len(s.kept.Sessions))
	}
}

func TestLinksAreBounded(t *testing.T) {
	s := newSite(t)
	first, _, _ := s.book.Link()
	for range 16 {
		_, _, _ = s.book.Link()
	}
	if _, err := s.book.Enter(first); !errors.Is(err, fault.PermissionDenied) {
		t.Errorf("the oldest of 17 links: %v", err)
	}
}

func TestTriesAreBounded(t *testing.T) {
	s := newSite(t)
	last := 0
	for range 11 {
		last = s.get("/enter/guess", nil).Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the eleventh guess in a minute: %d", last)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	s := newSite(t)
	for i := range 1000 {
		if s.get("/", nil).Code == http.StatusTooManyRequests {
			return
		}
		if i == 999 {
			t.Error("a thousand requests in an instant were served")
		}
	}
}

func TestTheCookieIsStrict(t *testing.T) {
	c := newSite(t).signIn()
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Domain != "" || c.Path != "/" {
		t.Errorf("%+v", c)
	}
}

func TestEveryAnswerIsProtected(t *testing.T) {
	s := newSite(t)
	for _, res := range []*httptest.ResponseRecorder{s.get("/", nil), s.get("/enter/x", nil), s.get("/", func(r *http.Request) { r.AddCookie(s.signIn()) })} {
		policy := res.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") || res.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%d: %v", res.Code, res.Header())
		}
	}
}

func TestSessionsOutliveTheDaemon(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn()
	if strings.Contains(strings.Join([]string{s.kept.Name, s.kept.Sessions[0].Hash}, " "), cookie.Value) {
		t.Error("the cookie itself is kept")
	}
	s.reopen()
	if !s.knows(cookie.Value) {
		t.Error("the next daemon does not know the session")
	}
	s.now = s.now.Add(gate.SessionLife)
	if s.knows(cookie.Value) {
		t.Error("the session does not end")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	s := newSite(t)
	first := s.signIn()
	for range 16 {
		secret, _, _ := s.book.Link()
		if _, err := s.book.Enter(secret); err != nil {
			t.Fatal(err)
		}
	}
	if s.knows(first.Value) || len(s.kept.Sessions) != 16 {
		t.Errorf("17 sessions: %d are kept", len(s.kept.Sessions))
	}
}

func TestSignOut(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn()
	unused, _, _ := s.book.Link()
	if n, err := s.book.SignOut(); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := s.book.Enter(unused); err == nil || s.knows(cookie.Value) {
		t.Errorf("the link: %v; the session lasts: %v", err, s.knows(cookie.Value))
	}
}

func TestNothingIsLetInThatIsNotKept(t *testing.T) {
	full := errors.New("disk full")
	var fail error
	book := gate.NewBook(gate.Record{}, time.Now, func(gate.Record) error { return fail })
	secret, _, err := book.Link()
	if err != nil {
		t.Fatal(err)
	}
	fail = full
	if cookie, err := book.Enter(secret); !errors.Is(err, full) || cookie != "" {
		t.Errorf("%q, %v", cookie, err)
	}
	if _, err := book.SignOut(); !errors.Is(err, full) {
		t.Error(err)
	}
}
