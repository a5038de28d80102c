package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmfields"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/portspec"
)

// setFields are the settings of a VM, and as "was_" how the page showed them: what is as it
// was is not sent.
func setFields(v api.VM) (url.Values, string) {
	form := url.Values{
		"vcpu": {strconv.Itoa(v.VCPU)}, "memory": {sizeText(v.MemoryBytes)}, "disk": {sizeText(v.DiskBytes)},
		"env": {strings.Join(v.Env, "\n")}, "labels": {strings.Join(labelLines(v.Labels), "\n")}, "publish": {publishText(v.Publish)}, "restart": {v.Entrypoint},
	}
	if v.Nested {
		form.Set("nested", "yes")
	}
	for field, value := range form {
		form["was_"+field] = value
	}
	return form, ""
}

func labelLines(labels map[string]string) (all []string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, key+"="+labels[key])
	}
	return all
}

func publishText(all []api.Publish) string {
	words := make([]string, len(all))
	for i, p := range all {
		words[i] = portspec.PublishText(p)
	}
	return strings.Join(words, " ")
}

// changed reports whether a field is not as the page showed it.
func changed(form url.Values, field string) bool {
	return strings.TrimSpace(form.Get(field)) != strings.TrimSpace(form.Get("was_"+field))
}

func setCommand(form, _ url.Values) string {
	t := typed(form, "vm", "set", form.Get("vm"))
	for _, field := range []string{"vcpu", "memory", "disk"} {
		if changed(form, field) {
			t.flag(field, field)
		}
	}
	t.flag("kernel", "kernel")
	t.flag("driver", "driver")
	if changed(form, "restart") {
		t.flag("restart-policy", "restart")
	}
	if changed(form, "nested") {
		t.args = append(t.args, "--"+"nested", strconv.FormatBool(form.Get("nested") != ""))
	}
	gained, lost := difference(form, "labels")
	for _, label := range gained {
		t.args = append(t.args, "--"+"label", label)
	}
	for _, key := range lost {
		t.args = append(t.args, "--"+"label", key+"=")
	}
	gained, lost = difference(form, "env")
	for _, pair := range gained {
		t.args = append(t.args, "--"+"env", pair)
	}
	for _, key := range lost {
		t.args = append(t.args, "--"+"unset-env", key)
	}
	if changed(form, "publish") {
		ports := strings.Fields(form.Get("publish"))
		if len(ports) == 0 {
			ports = []string{""}
		}
		for _, port := range ports {
			t.args = append(t.args, "--"+"publish", port)
		}
	}
	return t.String()
}

// difference is which KEY=VALUE lines of a field are new, and which keys are gone.
func difference(form url.Values, field string) (gained, lost []string) {
	now, was := lines(form.Get(field)), lines(form.Get("was_"+field))
	keys := map[string]bool{}
	for _, line := range now {
		key, _, _ := strings.Cut(line, "=")
		if keys[key] = true; !slices.Contains(was, line) {
			gained = append(gained, line)
		}
	}
	for _, line := range was {
		if key, _, _ := strings.Cut(line, "="); !keys[key] {
			lost = append(lost, key)
		}
	}
	return gained, lost
}

// setFormFields are those that can be wrong, in the order of the form.
func setFormFields() []formField {
	return []formField{{"vcpu", "vCPU"}, {"memory", "Memory"}, {"disk", "Disk"}, {"publish", "Publish"}, {"env", "Environment"}, {"labels", "Labels"}}
}

// updateOf is what a form changes. The faults are of fields that cannot be read.
func updateOf(form url.Values) (u api.UpdateVM, faults map[string]error) {
	text := func(field string) *string {
		if value := strings.TrimSpace(form.Get(field)); value != "" && changed(form, field) {
			return &value
		}
		return nil
	}
	faults = map[string]error{}
	note := func(field string, err error) {
		if err != nil {
			faults[field] = err
		}
	}
	var err error
	u.Kernel, u.Driver, u.Entrypoint = text("kernel"), text("driver"), text("restart")
	u.VCPU, err = countOf(text("vcpu"))
	note("vcpu", err)
	u.MemoryBytes, err = sizeOf(text("memory"))
	note("memory", err)
	u.DiskBytes, err = sizeOf(text("disk"))
	note("disk", err)
	if changed(form, "nested") {
		u.Nested = new(form.Get("nested") != "")
	}
	gained, lost := difference(form, "labels")
	u.Labels = map[string]string{}
	for _, label := range gained {
		key, value, _ := strings.Cut(label, "=")
		u.Labels[key] = value
	}
	for _, key := range lost {
		u.Labels[key] = ""
	}
	u.Env, u.UnsetEnv = difference(form, "env")
	if changed(form, "publish") {
		ports, err := publishOf(form.Get("publish"))
		note("publish", err)
		u.Publish = &ports
	}
	return u, faults
}

func (c *Console) setPage(w http.ResponseWriter, r *http.Request) {
	c.showVMForm(w, r, "set", nil, wrongs{}, setCommand, setFields)
}

func (c *Console) set(w http.ResponseWriter, r *http.Request) {
	name, form := r.PathValue("name"), r.PostForm
	update, faults := updateOf(form)
	host, err := c.api.HostStats(r.Context())
	if noteAll(faults, vmfields.OfUpdate(update, host), onWire()); err == nil && len(faults) == 0 {
		_, err = c.api.UpdateVM(r.Context(), name, update)
	}
	if err != nil || len(faults) > 0 {
		c.showVMForm(w, r, "set", form, wrongOf(setFormFields(), faults, err), setCommand, setFields)
		return
	}
	c.lead(w, r, vmPath(name), "Changed "+name)
}

// countOf is a number of a field; nil: as it was.
func countOf(text *string) (*int, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // nil is the default
	}
	n, err := strconv.Atoi(*text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%q is not a number", *text).WithHint("for example 2")
	}
	return &n, nil
}

// publishOf reads ports to publish, separated by spaces.
func publishOf(text string) ([]api.Publish, error) {
	all := []api.Publish{}
	for spec := range strings.FieldsSeq(text) {
		p, err := portspec.ParsePublish(spec)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "%s", spec).WithHint("write [ADDR:]HOST:GUEST[/udp], for example 8080:80")
		}
		all = append(all, p)
	}
	return all, nil
}
