package web

import (
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
)

// createRequest is what a form asks for: what is as given stays the daemon's to choose, as
// at the command line.
func createRequest(form, given url.Values) (req api.CreateVM, err error) {
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
	if req.VCPU, err = countOf("vCPU", text("vcpu")); err != nil {
		return req, err
	}
	if req.MemoryBytes, err = sizeOf("Memory", text("memory")); err != nil {
		return req, err
	}
	if req.DiskBytes, err = sizeOf("Disk", text("disk")); err != nil {
		return req, err
	}
	return req, pairsAndPorts(&req, form)
}

func pairsAndPorts(req *api.CreateVM, form url.Values) error {
	ports, err := publishOf(form.Get("publish"))
	if err != nil {
		return err
	}
	if len(ports) > 0 {
		req.Publish = ports
	}
	for _, label := range lines(form.Get("labels")) {
		key, value, _ := strings.Cut(label, "=")
		if req.Labels == nil {
			req.Labels = map[string]string{}
		}
		req.Labels[key] = value
	}
	return nil
}

func sizeOf(field string, text *string) (*int64, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // nil is the default
	}
	n, err := config.ParseSize(*text)
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "%s", field)
	case n <= 0:
		return nil, fault.New(fault.Invalid, "%s: %s is not positive", field, *text)
	}
	return new(int64(n)), nil
}

// sizeText is a size as a field has it.
func sizeText(n int64) string { return config.Size(n).String() }
