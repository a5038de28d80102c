package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
)

// maxFilter bounds the text of a filter, in bytes.
const maxFilter = 256

// look is which VMs the dashboard shows.
type look struct {
	Shown  string // "", "needs", "running"
	Filter string
}

func lookOf(query url.Values) look {
	l := look{Shown: query.Get("show"), Filter: strings.TrimSpace(query.Get("q"))}
	l.Filter = l.Filter[:min(len(l.Filter), maxFilter)]
	if l.Shown != "needs" && l.Shown != "running" {
		l.Shown = ""
	}
	return l
}

func (l look) query() url.Values {
	query := url.Values{}
	if l.Shown != "" {
		query.Set("show", l.Shown)
	}
	if l.Filter != "" {
		query.Set("q", l.Filter)
	}
	return query
}

func (l look) shows(v *vmScene) bool {
	return (l.Shown != "running" || status.Alive(v.vm.State)) && (l.Shown != "needs" || status.Needs(v.attention())) && l.found(v)
}

// found reports whether each word of the filter is in what a VM is called, made of, labelled or
// doing, in any case.
func (l look) found(v *vmScene) bool {
	words := strings.Fields(strings.ToLower(l.Filter))
	if len(words) == 0 {
		return true
	}
	texts := []string{v.vm.Name, v.vm.Image, v.vm.State}
	for key, value := range v.vm.Labels {
		texts = append(texts, key+"="+value)
	}
	if a := v.attention(); a != nil {
		texts = append(texts, viewAttention(a, a.Since).Word)
	}
	for i, text := range texts {
		texts[i] = strings.ToLower(text)
	}
	return !slices.ContainsFunc(words, func(word string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, word) })
	})
}

// Path is the dashboard that shows these VMs, of those that the filter finds.
func (l look) Path(shown string) string {
	l.Shown = shown
	if query := l.query().Encode(); query != "" {
		return "/?" + query
	}
	return "/"
}

// dashboardView is the body of the dashboard.
type dashboardView struct {
	look
	Rows       []vmRow
	Head       dashboardHead
	Usage      usageView
	Operations []operationView
	Denials    denialsView
}

type dashboardHead struct{ Running, Needs, All int }

// vmRow is a VM in the table.
type vmRow struct {
	ID, Name, Image string
	Mark            mark
	Attention       *attentionView
	Age             age
	Says            string // why it is as it is
	VCPU            int
	Alive           bool
	Load            loadView
	Ports           []portLink
	Work            *work
	Attach          string // the page of the terminal of the session to see first
	Shell           bool   // one can be started, where there is nothing to attach to
	First           *button
}

// work is what is known of a workspace's unexported changes.
type work struct {
	State string
	Files int
}

// portLink is a port as it is opened in a browser.
type portLink struct{ Text, URL string }

func (c *Console) dashboard(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "dashboard", func(ctx context.Context, s *shell) error {
		l := lookOf(r.URL.Query())
		host, err := c.api.HostStats(ctx)
		if err != nil {
			return err
		}
		s.Title, s.Section, s.Live = "Dashboard", "dashboard", livePath(pageDashboard, l.query())
		view := dashboardView{look: l, Head: headOf(s.scene), Usage: c.meter.view(host)}
		for _, v := range s.scene.sorted() {
			if l.shows(v) {
				view.Rows = append(view.Rows, c.row(v))
			}
		}
		if err := c.recallDenials(ctx, s.scene); err != nil {
			return err
		}
		view.Operations, view.Denials = c.runningViews(s.scene, s.Token), c.denialViews(s.scene)
		s.Body = view
		return nil
	})
}

func headOf(s *scene) dashboardHead {
	running, needs := s.counts()
	return dashboardHead{Running: running, Needs: needs, All: len(s.vms)}
}

func (c *Console) runningViews(s *scene, token string) []operationView {
	return c.runningOf(s, "", token)
}

// runningOf are the operations in progress whose kind begins so, the oldest first.
func (c *Console) runningOf(s *scene, kind, token string) []operationView {
	var views []operationView
	for _, op := range s.running() {
		if !strings.HasPrefix(op.Kind, kind) {
			continue
		}
		v := viewOperation(op, c.now())
		v.Token = token
		views = append(views, v)
	}
	return views
}

func (c *Console) row(in *vmScene) vmRow {
	v := in.vm
	row := vmRow{
		ID: v.ID, Name: v.Name, Image: status.Image(&v), Mark: mark{State: v.State, Icon: stateIcon(v.State)}, Attention: viewAttention(in.attention(), c.now()),
		Age: ageOf(c.now(), status.Since(&v)), VCPU: v.VCPU, Alive: status.Alive(v.State), Load: c.meter.load(v.ID), Ports: linksOf(in.ports),
	}
	if !row.Alive {
		row.Says = cmp.Or(v.ExitMessage, status.Ended(&v))
	}
	if v.Workspace != nil {
		row.Work = &work{State: v.Workspace.State, Files: v.Workspace.Files}
	}
	if busy(v.State) {
		row.Attach = in.toAttach()
		row.Shell = v.State == api.VMRunning && row.Attach == ""
	} else {
		row.First = new(firstFor(v, in.inOrder()))
	}
	return row
}

// busy reports whether the first thing to do with a VM in this state is to look into it, and
// not one of its actions.
func busy(state string) bool {
	return slices.Contains([]string{api.VMRunning, api.VMStarting, api.VMStopping}, state)
}

// vmMenu is what else can be done to a VM of a table, for a script that puts it in: with it
// a table of many VMs would be four times as long.
func (c *Console) vmMenu(w http.ResponseWriter, r *http.Request) {
	ctx, name := r.Context(), r.PathValue("name")
	v, err := c.api.LookVM(ctx, name, 0)
	var sessions []api.Session
	if err == nil {
		sessions, err = c.api.ListSessions(ctx, name)
	}
	acts := actsFor(v, sessions)
	if !busy(v.State) {
		acts = acts[1:]
	}
	c.part(w, r, "dashboard", "row-menu", map[string]any{"Acts": acts, "Path": vmPath(v.Name)}, err)
}

// toAttach is the page of the session that needs somebody most, or else of the first
// that runs; empty: there is none.
func (v *vmScene) toAttach() string { return toAttach(v.vm.Name, v.attention(), v.inOrder()) }

func toAttach(vm string, needs *api.Attention, sessions []api.Session) string {
	if needs != nil && needs.State != api.AttentionDone && needs.Session != "" {
		return sessionPath(vm, needs.Session)
	}
	for _, s := range sessions {
		if s.State == api.SessionRunning {
			return sessionPath(vm, s.Name)
		}
	}
	return ""
}

// linksOf are the ports that a browser can open, each once.
func linksOf(ports []api.Port) []portLink {
	const most = 4
	var links []portLink
	for _, p := range ports {
		u, err := url.Parse(p.URL)
		if p.URL == "" || err != nil || u.Port() == "" {
			continue
		}
		link := portLink{Text: ":" + u.Port(), URL: p.URL}
		if !slices.Contains(links, link) && len(links) < most {
			links = append(links, link)
		}
	}
	return links
}
