package web

import (
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
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
	return cmdline.Typed(args...)
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
