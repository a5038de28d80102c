package web

import (
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
)

// createFormFields are those that can be wrong, in the order of the form.
func createFormFields() []formField {
	return []formField{
		{"name", "Name"},
		{"vcpu", "vCPU"},
		{"memory", "Memory"},
		{"disk", "Disk"},
		{"path", "Git work tree"},
		{"sname", "Name of the session"},
		{"policy", "Own rules"},
		{"publish", "Publish"},
		{"env", "Environment"},
		{"labels", "Labels"},
	}
}

// createRequest is what a form asks for: what is as given stays the daemon's to choose, as
// at the command line. The faults are of fields that cannot be read.
func createRequest(form, given url.Values) (req api.CreateVM, faults map[string]error) {
	text := func(field string) *string {
		if value := strings.TrimSpace(form.Get(field)); value != "" && value != given.Get(field) {
			return &value
		}
		return nil
	}
	req = api.CreateVM{
		Name: text("name"), Image: text("image"), Kernel: text("kernel"), Init: text("init"), Driver: text("driver"), Network: text("network"),
		Platform: strings.TrimSpace(form.Get("platform")),
		Nested:   form.Get("nested") != "", Env: lines(form.Get("env")), Wait: form.Get("wait"),
	}
	if form.Get("network") != api.NetworkNone {
		req.Egress, req.Ports = text("egress"), text("ports")
	}
	if form.Get("entrypoint") != "" {
		req.Entrypoint = new(form.Get("restart"))
		req.NoHealthcheck = form.Get("nohealthcheck") != ""
	}
	if console := text("console"); console != nil {
		req.Console = new(*console == "true")
	}
	if form.Get("nostart") != "" {
		req.Start, req.Wait = new(false), ""
	}
	var errs [4]error
	req.VCPU, errs[0] = countOf(text("vcpu"))
	req.MemoryBytes, errs[1] = sizeOf(text("memory"))
	req.DiskBytes, errs[2] = sizeOf(text("disk"))
	if ports, err := publishOf(form.Get("publish")); err != nil || len(ports) > 0 {
		req.Publish, errs[3] = ports, err
	}
	req.Labels = labelsOf(form)
	faults = map[string]error{}
	for i, field := range []string{"vcpu", "memory", "disk", "publish"} {
		if errs[i] != nil {
			faults[field] = errs[i]
		}
	}
	if form.Has("egress") && form.Get("egress") == "" && form.Get("network") != api.NetworkNone {
		faults["policy"] = fault.New(fault.Invalid, "there are no rules").WithHint("for example default deny")
	}
	if err := addThen(&req, form); err != nil {
		faults["path"] = err
	}
	return req, faults
}

func labelsOf(form url.Values) map[string]string {
	var labels map[string]string
	for _, label := range lines(form.Get("labels")) {
		key, value, _ := strings.Cut(label, "=")
		if labels == nil {
			labels = map[string]string{}
		}
		labels[key] = value
	}
	return labels
}

func sizeOf(text *string) (*int64, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // nil is the default
	}
	n, err := config.ParseSize(*text)
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "")
	case n <= 0:
		return nil, fault.New(fault.Invalid, "%s is not positive", *text)
	}
	return new(int64(n)), nil
}

// sizeText is a size as a field has it.
func sizeText(n int64) string { return config.Size(n).String() }
