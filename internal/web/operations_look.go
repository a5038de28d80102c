package web

import (
	"net/url"
	"strconv"

	"github.com/bangervm/banger/internal/api"
)

// operationsPerPage bounds the ended operations of one page.
const operationsPerPage = 50

// opsLook is which operations the page shows.
type opsLook struct {
	Shown string // "", "running", "failed"
	page  int    // from 1
}

func opsLookOf(query url.Values) opsLook {
	l := opsLook{Shown: query.Get("show"), page: 1}
	if l.Shown != "running" && l.Shown != "failed" {
		l.Shown = ""
	}
	if n, err := strconv.Atoi(query.Get("from-page")); err == nil && n > 1 {
		l.page = n
	}
	return l
}

func (l opsLook) query() url.Values {
	query := url.Values{}
	if l.Shown != "" {
		query.Set("show", l.Shown)
	}
	if l.page > 1 {
		query.Set("from-page", strconv.Itoa(l.page))
	}
	return query
}

// Path is the page that shows these.
func (l opsLook) Path(shown string) string { return opsLook{Shown: shown}.path() }

func (l opsLook) path() string {
	if query := l.query().Encode(); query != "" {
		return "/operations?" + query
	}
	return "/operations"
}

// shows reports whether an operation that has ended is among those.
func (l opsLook) shows(op api.Operation) bool {
	return op.State != api.OperationRunning && (l.Shown == "" || l.Shown == "failed" && op.State == api.OperationFailed)
}

// cut is the page's part of all that it could show.
func (l opsLook) cut(view *operationsView) {
	all := len(view.Ended)
	from := min((l.page-1)*operationsPerPage, all)
	to := min(from+operationsPerPage, all)
	if view.Ended = view.Ended[from:to]; all > operationsPerPage {
		view.Range = number(from+1) + "–" + number(to) + " of " + number(all)
	}
	if l.page > 1 {
		view.Newer = opsLook{Shown: l.Shown, page: l.page - 1}.path()
	}
	if to < all {
		view.Older = opsLook{Shown: l.Shown, page: l.page + 1}.path()
	}
}
