package kernel_test

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/operation"
)

// told is a kernel.Events that notes what it hears, and whether the store has it.
type told struct {
	t   *testing.T
	c   *catalog
	all []string
}

func (l *told) KernelChanged(m kernel.Manifest) { l.note("changed", m.Name, true) }
func (l *told) KernelDeleted(name string)       { l.note("deleted", name, false) }

func (l *told) note(what, name string, want bool) {
	if _, err := l.c.deps.Store.Get(l.t.Context(), name); (err == nil) != want {
		what += " too early"
	}
	l.all = append(l.all, what+" "+name)
}

func TestEventsOfKernels(t *testing.T) {
	needDepmod(t)
	c := newCatalog(t)
	l := &told{t: t, c: c}
	c.deps.Events = l
	c.Service = kernel.NewService(c.deps)
	dir := onDisk(t, kerneltest.Debian("6.1.0-9-amd64"))
	for range 2 { // the second time it is there
		if _, err := c.Import(t.Context(), "k", dir, operation.Discard{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Remove(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(l.all, "; "); got != "changed k; deleted k" {
		t.Errorf("got %s", got)
	}
}
