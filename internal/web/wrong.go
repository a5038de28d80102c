package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmfields"
	"github.com/bangervm/banger/internal/fault"
)

// wrongs are what is wrong with a form: each field that is, in the order of the form, and what
// is wrong with none of them.
type wrongs struct {
	Fields []wrongField
	Other  *problem
}

type wrongField struct {
	ID, Label string
	*problem
}

// formField is a field of a form: its ID, which is its name, and its label.
type formField struct{ id, label string }

// wrongOf sorts the faults of fields by the form; other is one of none.
func wrongOf(fields []formField, faults map[string]error, other error) wrongs {
	var w wrongs
	for _, f := range fields {
		if err := faults[f.id]; err != nil {
			w.Fields = append(w.Fields, wrongField{ID: f.id, Label: f.label, problem: problemOf(err)})
		}
	}
	if other != nil {
		w.Other = problemOf(other)
	}
	return w
}

// wrongWith is a fault of a form that has one field: of it, unless it is of something else.
func wrongWith(id, label string, err error) wrongs {
	if fault.CodeOf(err) != fault.Invalid {
		return wrongOf(nil, nil, err)
	}
	return wrongOf([]formField{{id, label}}, map[string]error{id: err}, nil)
}

// Any reports whether something is wrong.
func (w wrongs) Any() bool { return len(w.Fields) > 0 || w.Other != nil }

// Title says how much is wrong.
func (w wrongs) Title() string {
	if len(w.Fields) == 1 {
		return "1 field is not as it must be"
	}
	return fmt.Sprintf("%d fields are not as they must be", len(w.Fields))
}

// In is what is wrong with a field; nil: nothing.
func (w wrongs) In(id string) *wrongField {
	at := slices.IndexFunc(w.Fields, func(f wrongField) bool { return f.ID == id })
	if at < 0 {
		return nil
	}
	return &w.Fields[at]
}

// Describe are the attributes of a field: which texts describe it, and whether it is wrong.
// Both arguments are constants of the templates.
func (w wrongs) Describe(id string, hints ...string) template.HTMLAttr {
	invalid := ""
	if w.In(id) != nil {
		invalid, hints = ` aria-invalid="true"`, append([]string{id + "-p"}, hints...)
	}
	if len(hints) == 0 {
		return ""
	}
	//nolint:gosec // it holds nothing but constants of the templates
	return template.HTMLAttr(strings.TrimSpace(fmt.Sprintf(`%s aria-describedby="%s"`, invalid, strings.Join(hints, " "))))
}

// noteAll adds the faults of a request, by the names of its fields in JSON, to those of the form.
// What could not be read in a field is told, not what the request has instead.
func noteAll(faults, found map[string]error, ids map[string]string) {
	for name, err := range found {
		id := name
		if as, ok := ids[name]; ok {
			id = as
		}
		if faults[id] == nil {
			faults[id] = err
		}
	}
}

// onWire are the fields of forms that have another name in JSON.
func onWire() map[string]string {
	return map[string]string{"memory_bytes": "memory", "disk_bytes": "disk", "egress": "policy", "session": "sname"}
}

// wrongInCreate adds the faults of a request on this host to those of its form.
func wrongInCreate(req api.CreateVM, host api.HostStats, s *scene, faults map[string]error) {
	noteAll(faults, vmfields.OfCreate(req, host), onWire())
	if req.Name == nil || faults["name"] != nil {
		return
	}
	for _, v := range s.vms {
		if v.vm.Name == *req.Name {
			faults["name"] = fault.New(fault.Conflict, "a VM named %q already exists", *req.Name).WithHint("choose another name")
		}
	}
}
