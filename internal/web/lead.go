package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// ownPath is a path of the console: what a form says, if it is one, else the
// dashboard. A path that a browser takes for another host is none.
func ownPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// lead answers a form: it leads to path, whose page says what was done.
func (c *Console) lead(w http.ResponseWriter, r *http.Request, path, did string) {
	target, err := url.Parse(path)
	if err != nil || target.Host != "" {
		target = &url.URL{Path: "/"}
	}
	query := target.Query()
	query.Del(noticeParam)
	if did != "" {
		query.Set(noticeParam, did)
	}
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
}

// fail answers a form that did not do what it asks for with the fault's page.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, err error) {
	c.page(w, r, "problem", func(context.Context, *shell) error { return err })
}

// done leads on after a form, or shows why it failed.
func (c *Console) done(w http.ResponseWriter, r *http.Request, path, did string, err error) {
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.lead(w, r, path, did)
}

// vmPath is the page of a VM.
func vmPath(name string) string { return "/vms/" + url.PathEscape(name) }

// sessionPath is the terminal of a session.
func sessionPath(vm, session string) string {
	return vmPath(vm) + "/sessions/" + url.PathEscape(session)
}

// operationPath is the page of an operation.
func operationPath(id string) string { return "/operations/" + url.PathEscape(id) }
