package web

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// workspaceDir is where a workspace is by default, in the guest.
const workspaceDir = "/root/repo"

// addThen reads what is to follow the creation of a VM: a workspace, a session, or both. A fault
// is of the workspace's path.
func addThen(req *api.CreateVM, form url.Values) error {
	field := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	if field("scmd") != "" || field("sname") != "" {
		req.Session = new(sessionRequest(field("scmd"), field("sname"), field("dir"), true))
	}
	path := field("path")
	if path == "" {
		return nil
	}
	if !strings.HasPrefix(path, "/") {
		return fault.New(fault.Invalid, "%q is not an absolute path", path).WithHint("for example /home/you/src/project")
	}
	req.Workspace = &api.PrepareWorkspace{Path: path, Mode: field("mode")}
	return nil
}

// thenCommands are the command lines that do what follows, for a VM of this name.
func thenCommands(req api.CreateVM, name string) (all []string) {
	name = cmp.Or(name, "NAME")
	dir := ""
	if w := req.Workspace; w != nil {
		words := []string{"vm", "workspace", "prepare", name, w.Path}
		if w.Mode == "full_copy" {
			words = append(words, "--"+"mode", w.Mode)
		}
		all, dir = append(all, cmdline.Typed(words...)), workspaceDir
	}
	s := req.Session
	if s == nil {
		return all
	}
	words := []string{"vm", "session", "start", name}
	for _, option := range [][2]string{{"name", s.Name}, {"workdir", cmp.Or(s.Dir, dir)}} {
		if option[1] != "" {
			words = append(words, "--"+option[0], option[1])
		}
	}
	words = append(words, "--"+"tty", "--")
	return append(all, cmdline.Typed(append(words, s.Command...)...))
}
