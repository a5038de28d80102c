package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/portspec"
)

// portsPart is the ports of a VM.
type portsPart struct {
	Ports    []api.Port
	PortsWhy string // why there are none
}

func (c *Console) portsOf(ctx context.Context, v api.VM) (p portsPart) {
	var err error
	if v.State != api.VMRunning {
		p.PortsWhy = "It is not running."
	} else if p.Ports, err = c.api.VMPorts(ctx, v.Name); err != nil {
		p.PortsWhy = problemOf(err).Message
	}
	return p
}

// portsView is the body of the section with all about ports.
type portsView struct {
	vmFrame
	portsPart
	Forwards []api.Forward
	Publish  []api.Publish
	Commands struct{ List, Add string }
}

func (c *Console) portsPage(w http.ResponseWriter, r *http.Request) {
	c.inVM(w, r, "ports", func(ctx context.Context, f vmFrame) (any, error) {
		view := portsView{vmFrame: f, portsPart: c.portsOf(ctx, f.VM), Publish: f.VM.Publish}
		view.Commands.List = cmdline.Typed("vm", "ports", f.VM.Name)
		view.Commands.Add = forwardCommand(url.Values{"vm": {f.VM.Name}}, nil)
		if !f.Alive() {
			return view, nil
		}
		var err error
		view.Forwards, err = c.api.VMForwards(ctx, f.VM.Name)
		return view, err
	})
}

// forward adds or removes a forward.
func (c *Console) forward(w http.ResponseWriter, r *http.Request) {
	name, form := r.PathValue("name"), r.PostForm
	path := vmPath(name) + "/ports"
	switch form.Get("do") {
	case "add":
		f, err := portspec.ParseForward(form.Get("forward"))
		if err != nil {
			c.fail(w, r, fault.Wrap(fault.Invalid, err, "%s", form.Get("forward")).WithHint("%s", portspec.ForwardForm))
			return
		}
		if strings.HasPrefix(f.Host, ":") {
			f.Host = "127.0.0.1" + f.Host
		}
		made, err := c.api.AddVMForward(r.Context(), name, f)
		c.done(w, r, path, "Forwarding "+made.Host, err)
	case "remove":
		f := api.Forward{Proto: form.Get("proto"), Host: form.Get("host"), Guest: form.Get("guest")}
		c.done(w, r, path, "Removed the forward from "+f.Host, c.api.RemoveVMForward(r.Context(), name, f))
	default:
		c.fail(w, r, fault.New(fault.Invalid, "the console cannot do %q to a forward", form.Get("do")))
	}
}
