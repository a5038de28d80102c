package daemon

import (
	"context"
	"log/slog"
	"sync"

	"github.com/bangervm/banger/internal/boundlog"
	"github.com/bangervm/banger/internal/vm"
)

// vmNames are the names of VMs by their ids, for the log. It is safe for
// concurrent use.
type vmNames struct{ of sync.Map }

func (n *vmNames) learn(all ...vm.VM) {
	for _, v := range all {
		if v.ID != "" && v.Name != "" {
			n.of.Store(v.ID, v.Name)
		}
	}
}

// name is the name of the VM with this id, or empty.
func (n *vmNames) name(id string) string {
	name, _ := n.of.Load(id)
	text, _ := name.(string)
	return text
}

func (n *vmNames) forget(id string) { n.of.Delete(id) }

// namedLog adds the name of the VM to a record that has only its id.
type namedLog struct {
	slog.Handler
	names *vmNames
}

// Handle is slog.Handler.
func (h namedLog) Handle(ctx context.Context, r slog.Record) error {
	var id string
	var named bool
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case boundlog.SubjectKey:
			id = a.Value.String()
		case "name":
			named = true
		}
		return true
	})
	if name, known := h.names.of.Load(id); known && !named {
		r = r.Clone()
		r.AddAttrs(slog.Any("name", name))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is slog.Handler.
func (h namedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return namedLog{h.Handler.WithAttrs(attrs), h.names}
}

// WithGroup is slog.Handler.
func (h namedLog) WithGroup(name string) slog.Handler {
	return namedLog{h.Handler.WithGroup(name), h.names}
}
