package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// createView is the body of the page that creates a VM.
type createView struct {
	Form    url.Values // as typed
	Given   url.Values // the defaults
	Sources map[string]string
	Images  []string
	Kernels []string
	VMs     []string // whose settings can be taken over
	Presets []preset
	Custom  bool   // the policy is none of the presets
	Policy  string // own rules, as typed
	Wrong   wrongs
	Command string
	Takes   []createTake // of the host
}

// preset is an egress policy with a name.
type preset struct{ Name, Says string }

func presets() []preset {
	return []preset{{"none", "Nothing"}, {"packages", "Packages, code hosts, registries"}, {"ai", "packages, and model providers"}, {"all", "Everything that is not private"}}
}

// settingOf is the configuration's key of a field that has one.
func settingOf() map[string]string {
	return map[string]string{
		"image": "vm.image", "kernel": "vm.kernel", "vcpu": "vm.vcpu", "memory": "vm.memory", "disk": "vm.disk",
		"egress": "network.egress", "ports": "network.ports", "console": "vm.console",
	}
}

// given are the form's defaults, and where those of the configuration are from.
func (c *Console) given(ctx context.Context) (values url.Values, sources map[string]string, err error) {
	values = url.Values{"mode": {"shallow"}, "init": {"auto"}, "network": {api.NetworkUser}, "wait": {"ready"}, "restart": {"no"}}
	sources = map[string]string{}
	cfg, err := c.api.Config(ctx)
	if err != nil {
		return nil, nil, err
	}
	for field, key := range settingOf() {
		i := slices.IndexFunc(cfg.Settings, func(s api.Setting) bool { return s.Key == key })
		if i >= 0 {
			values.Set(field, cfg.Settings[i].Value)
			sources[field] = cfg.Settings[i].Source
		}
	}
	return values, sources, nil
}

func (c *Console) createPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	c.showCreate(w, r, func(ctx context.Context, view *createView) error {
		for field := range query {
			if slices.Contains(createFields(), field) {
				view.Form.Set(field, query.Get(field))
			}
		}
		if query.Get("as") == "" {
			return nil
		}
		v, err := c.api.LookVM(ctx, query.Get("as"), 0)
		if err == nil {
			fillAs(view.Form, v)
		}
		return err
	})
}

// fillAs takes over what a VM is like.
func fillAs(form url.Values, v api.VM) {
	form.Set("image", v.Image)
	if v.ImageUnnamed {
		form.Set("image", v.ImageID)
	}
	form.Set("vcpu", strconv.Itoa(v.VCPU))
	form.Set("memory", sizeText(v.MemoryBytes))
	form.Set("disk", sizeText(v.DiskBytes))
	form.Set("egress", v.Egress)
	form.Set("ports", v.Ports)
	form.Set("network", v.Network)
	form.Set("init", v.Init)
	form.Set("env", strings.Join(v.Env, "\n"))
	form.Set("labels", strings.Join(labelLines(v.Labels), "\n"))
	if v.Entrypoint != "" {
		form.Set("entrypoint", "yes")
		form.Set("restart", v.Entrypoint)
	}
	if v.Nested {
		form.Set("nested", "yes")
	}
	if v.NoHealthcheck {
		form.Set("nohealthcheck", "yes")
	}
	form.Set("console", strconv.FormatBool(v.Console))
}

// showCreate shows the form once it has been filled in.
func (c *Console) showCreate(w http.ResponseWriter, r *http.Request, fill func(context.Context, *createView) error) {
	c.page(w, r, "create", func(ctx context.Context, s *shell) error {
		s.Title, s.Section = "Create VM", "create"
		view := createView{Presets: presets()}
		var err error
		if view.Given, view.Sources, err = c.given(ctx); err != nil {
			return err
		}
		view.Form = url.Values{}
		for field, value := range view.Given {
			view.Form[field] = slices.Clone(value)
		}
		if err := c.choices(ctx, s, &view); err != nil {
			return err
		}
		if err := fill(ctx, &view); err != nil {
			return err
		}
		view.Custom = !slices.ContainsFunc(view.Presets, func(p preset) bool { return p.Name == view.Form.Get("egress") })
		if view.Policy = view.Form.Get("policy"); view.Custom {
			view.Policy = view.Form.Get("egress")
		}
		host, err := c.api.HostStats(ctx)
		if err != nil {
			return err
		}
		view.Command, view.Takes = createCommand(view.Form, view.Given), createTakes(view.Form, view.Given, host, s.scene)
		s.Body = view
		return nil
	})
}

// choices are what the fields propose.
func (c *Console) choices(ctx context.Context, s *shell, view *createView) error {
	images, err := c.api.ListImages(ctx)
	if err != nil {
		return err
	}
	for _, i := range images {
		if i.Name != "" {
			view.Images = append(view.Images, i.Name)
		}
	}
	kernels, err := c.api.ListKernels(ctx)
	for _, k := range kernels {
		view.Kernels = append(view.Kernels, k.Name)
	}
	for _, v := range s.VMs {
		view.VMs = append(view.VMs, v.Name)
	}
	return err
}

// create makes the VM, or shows the form with what is wrong.
func (c *Console) create(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	policyOf(form)
	values, _, err := c.given(r.Context())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	again := func(wrong wrongs) {
		c.showCreate(w, r, func(_ context.Context, view *createView) error {
			view.Form, view.Wrong = form, wrong
			return nil
		})
	}
	switch form.Get("do") {
	case "show":
		again(wrongs{})
		return
	case "browse":
		if back, err := browseFrom(form); err != nil {
			again(wrongOf(nil, nil, err))
		} else {
			c.lead(w, r, back, "")
		}
		return
	}
	req, faults := createRequest(form, values)
	if err := c.judgeCreate(r.Context(), req, faults); err != nil || len(faults) > 0 {
		again(wrongOf(createFormFields(), faults, err))
		return
	}
	op, err := c.api.CreateVM(r.Context(), req)
	if err != nil {
		again(wrongOf(nil, nil, err))
		return
	}
	c.lead(w, r, operationPath(op.ID), "")
}

// judgeCreate adds what is wrong with a request to the faults of its form.
func (c *Console) judgeCreate(ctx context.Context, req api.CreateVM, faults map[string]error) error {
	host, err := c.api.HostStats(ctx)
	if err != nil {
		return err
	}
	s, err := c.scene(ctx)
	if err == nil {
		wrongInCreate(req, host, s, faults)
	}
	return err
}
