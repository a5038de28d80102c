package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/web/gate"
)

const (
	themeCookie = "theme"
	noticeParam = "did"
	maxNotice   = 200
)

// shell is what every page has around it.
type shell struct {
	Title   string
	Section string // the page in the side that is marked
	Current string // the VM in the side that is marked
	Token   string
	Keys    bool   // single keys are on
	Theme   string // light, dark, or empty: as the system
	Notice  string // what was just done
	Problem *problem

	scene      *scene
	VMs        []vmLink
	Counts     counts
	DaemonSays string
	Live       string // the stream of what changes on the page
	Body       any
}

type counts struct{ VMs, Images, Kernels, Running, Needs int }

func countsOf(s *scene) counts {
	_, needs := s.counts()
	return counts{VMs: len(s.vms), Images: len(s.images), Kernels: len(s.kernels), Running: len(s.running()), Needs: needs}
}

// vmLink is a VM in the side.
type vmLink struct {
	ID, Name string
	Mark     mark
	Needs    bool
	Says     string // for screen readers
	Age      age
	Current  bool // its page is the one that is shown
}

// problem is a fault as the command line words it.
type problem struct{ Code, Message, Hint string }

// Advice is the hint as a sentence begins.
func (p *problem) Advice() string { return capital(p.Hint) }

func problemOf(err error) *problem {
	return &problem{
		Code:    string(fault.CodeOf(err)),
		Message: plain.Line(err.Error(), maxProblem),
		Hint:    plain.Line(fault.HintOf(err).Word(cmdline.Line), maxProblem),
	}
}

// maxProblem bounds the text of an error on a page, in bytes.
const maxProblem = 2000

// page shows a page of what build reads. A fault of it is the page's body.
func (c *Console) page(w http.ResponseWriter, r *http.Request, name string, build func(context.Context, *shell) error) {
	ctx := r.Context()
	s := &shell{
		Token: gate.Token(ctx), Theme: themeOf(r), Keys: keysOf(r),
		Notice: plain.Line(r.URL.Query().Get(noticeParam), maxNotice),
	}
	status := http.StatusOK
	err := c.frame(ctx, s)
	if err == nil {
		err = build(ctx, s)
	}
	for i := range s.VMs {
		s.VMs[i].Current = s.VMs[i].Name == s.Current
	}
	if err != nil {
		status, name = fault.CodeOf(err).HTTPStatus(), "problem"
		s.Problem = problemOf(err)
		if s.Title == "" {
			s.Title = "Problem"
			if errors.Is(err, fault.NotFound) {
				s.Title = "Not found"
			}
		}
	}
	if err := c.pages.write(w, status, name, "page", s); err != nil {
		c.log.WarnContext(ctx, "a page of the web console was not sent", "page", name, "error", err)
	}
}

// frame reads what the side shows.
func (c *Console) frame(ctx context.Context, s *shell) error {
	ping, err := c.api.Ping(ctx)
	if err != nil {
		return err
	}
	if s.scene, err = c.scene(ctx); err != nil {
		return err
	}
	s.DaemonSays = "up " + status.Age(c.now(), ping.StartedAt)
	s.Counts = countsOf(s.scene)
	s.Live = livePath("", url.Values{})
	for _, v := range s.scene.sorted() {
		s.VMs = append(s.VMs, c.link(v))
	}
	return nil
}

// link is a VM in the side: what it needs, or else its state.
func (c *Console) link(v *vmScene) vmLink {
	l := vmLink{ID: v.vm.ID, Name: v.vm.Name, Mark: mark{State: v.vm.State, Icon: stateIcon(v.vm.State)}, Says: v.vm.State, Age: ageOf(c.now(), status.Since(&v.vm))}
	if a := viewAttention(v.attention(), c.now()); a != nil {
		l.Mark, l.Says, l.Age, l.Needs = mark{State: a.Class, Icon: a.Icon}, a.Word, a.Age, a.Needs
	}
	return l
}

// refuse is the page of a request that the gate, or no page, answers. It is shown to
// anyone, and says nothing of the VMs.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, status int, reason string) {
	data := shell{Title: http.StatusText(status), Theme: themeOf(r), Problem: &problem{Message: reason}}
	if err := c.pages.write(w, status, "refusal", "bare", data); err != nil {
		c.log.DebugContext(r.Context(), "a refusal of the web console was not sent", "error", err)
	}
}

func themeOf(r *http.Request) string {
	if cookie, err := r.Cookie(themeCookie); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		return cookie.Value
	}
	return ""
}

func keysOf(r *http.Request) bool {
	cookie, err := r.Cookie(keysCookie)
	return err != nil || cookie.Value != "off"
}

// setTheme keeps the theme in a cookie, so that no page is painted in another first.
func (c *Console) setTheme(w http.ResponseWriter, r *http.Request) {
	c.keep(w, r, themeCookie, r.PostForm.Get("theme"), "light", "dark")
	c.back(w, r, "")
}

// keep stores a choice in the browser, and for those that are let in later, if it is one of
// those that there are, else it forgets it.
func (c *Console) keep(w http.ResponseWriter, r *http.Request, name, choice string, choices ...string) {
	if !slices.Contains(choices, choice) {
		choice = ""
	}
	gate.SetChoice(w, name, choice)
	if err := c.book.Choose(name, choice); err != nil {
		c.log.WarnContext(r.Context(), "a choice for the web console is not kept for other browsers", "choice", name, "error", err)
	}
}

// back leads to the page that the form names as "from", which must be one of the
// console's own paths, and has it say what was done.
func (c *Console) back(w http.ResponseWriter, r *http.Request, did string) {
	c.lead(w, r, ownPath(r.PostForm.Get("from")), did)
}
