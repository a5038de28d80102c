package web

import (
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// policyOf puts a policy that was typed in the place of the preset.
func policyOf(form url.Values) {
	if form.Get("egress") == "custom" {
		form.Set("egress", strings.Join(lines(form.Get("policy")), "\n"))
	}
}

// createCommand is the command line that does what the form does.
func createCommand(form, given url.Values) string {
	policyOf(form)
	args := []string{"vm", "create"}
	flag := func(name, value string) { args = append(args, "--"+name, value) }
	is := func(field, name string) {
		if form.Get(field) != "" {
			args = append(args, "--"+name)
		}
	}
	changed := func(fields ...string) {
		for _, field := range fields {
			if value := strings.TrimSpace(form.Get(field)); value != "" && value != given.Get(field) {
				flag(field, strings.ReplaceAll(value, "\n", "; "))
			}
		}
	}
	if name := strings.TrimSpace(form.Get("name")); name != "" {
		args = append(args, name)
	}
	changed("image", "platform", "kernel", "vcpu", "memory", "disk", "driver", "init", "network")
	if form.Get("network") != api.NetworkNone {
		changed("egress", "ports")
	}
	for port := range strings.FieldsSeq(form.Get("publish")) {
		flag("publish", port)
	}
	for _, pair := range lines(form.Get("env")) {
		flag("env", pair)
	}
	for _, pair := range lines(form.Get("labels")) {
		flag("label", pair)
	}
	if form.Get("entrypoint") != "" {
		args = append(args, "--"+"entrypoint")
		if restart := form.Get("restart"); restart != given.Get("restart") {
			flag("restart-policy", restart)
		}
		is("nohealthcheck", "no-healthcheck")
	}
	is("nested", "nested")
	if console := form.Get("console"); console != "" && console != given.Get("console") {
		args = append(args, "--"+"console="+console)
	}
	if is("nostart", "no-start"); form.Get("nostart") == "" {
		changed("wait")
	}
	all := []string{cmdline.Typed(args...)}
	var req api.CreateVM
	if err := addThen(&req, form); err == nil {
		all = append(all, thenCommands(req, strings.TrimSpace(form.Get("name")))...)
	}
	return strings.Join(all, " && ")
}

// lines are those of a field of many, without empty ones.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// createFields are what the form can be opened with.
func createFields() []string {
	return []string{
		"name", "image", "platform", "kernel", "vcpu", "memory", "disk", "path", "mode", "sname", "scmd", "dir", "egress", "publish", "ports", "network",
		"wait", "init", "driver", "console", "nostart", "nested", "entrypoint", "restart", "nohealthcheck", "labels",
	}
}

// maxBrowse bounds what a form may take along to the picker of paths, in bytes.
const maxBrowse = 4 << 10

// browseFrom is the picker of the work tree, which leads back to the form as it is.
func browseFrom(form url.Values) (string, error) {
	if strings.TrimSpace(form.Get("env")) != "" {
		return "", fault.New(fault.Invalid, "the environment is not taken to the page that picks a path").WithHint("type the path, or fill in the environment afterwards")
	}
	kept := url.Values{}
	for _, field := range createFields() {
		if value := form.Get(field); value != "" {
			kept.Set(field, value)
		}
	}
	back := "/create?" + kept.Encode()
	if len(back) > maxBrowse {
		return "", fault.New(fault.Invalid, "the form is too long to be taken to the page that picks a path").WithHint("type the path instead")
	}
	return filesPath("path", back, ""), nil
}
