package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/vm"
)

// oneVM is a store that has one.
type oneVM struct {
	vm.Store
	v vm.VM
}

func (s *oneVM) List(context.Context) ([]vm.VM, error) { return []vm.VM{s.v}, nil }

func (s *oneVM) Insert(context.Context, vm.VM) error { return nil }

func (s *oneVM) Update(_ context.Context, _ string, change func(*vm.VM) error) (vm.VM, error) {
	err := change(&s.v)
	return s.v, err
}

func (s *oneVM) Delete(context.Context, string) error { return nil }

func TestTheLogNamesVMs(t *testing.T) {
	names := &vmNames{}
	store := &cachedVMs{Store: &oneVM{v: vm.VM{ID: "0123", Name: "box"}}, names: names}
	var out bytes.Buffer
	log := slog.New(namedLog{slog.NewTextHandler(&out, nil), names})
	says := func(want string, args ...any) {
		t.Helper()
		out.Reset()
		log.Info("something", args...)
		if got := strings.TrimSpace(out.String()[strings.Index(out.String(), "msg="):]); got != want {
			t.Errorf("the log says %q, not %q", got, want)
		}
	}
	says("msg=something vm=0123", "vm", "0123")
	if _, err := store.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	says("msg=something vm=0123 name=box", "vm", "0123")
	says("msg=something vm=0123 name=other", "vm", "0123", "name", "other")
	says("msg=something")
	if _, err := store.Update(t.Context(), "0123", func(v *vm.VM) error { v.Name = "crate"; return nil }); err != nil {
		t.Fatal(err)
	}
	says("msg=something vm=0123 name=crate", "vm", "0123")
	if err := store.Insert(t.Context(), vm.VM{ID: "4567", Name: "new"}); err != nil {
		t.Fatal(err)
	}
	says("msg=something vm=4567 name=new", "vm", "4567")
	if err := store.Delete(t.Context(), "4567"); err != nil {
		t.Fatal(err)
	}
	says("msg=something vm=4567", "vm", "4567")
}
