package template_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/vm"
)

// world is a service with fakes around it: machines are made at once unless something is wrong.
type world struct {
	*template.Service
	t *testing.T

	mu      sync.Mutex
	on      bool
	saveErr error
	quiet   error
	parts   error
	harmed  error // of what is stored
	bytes   int64
	stored  []string // keys, the latest used first
	staged  []string
	specs   []vm.Spec
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, on: true, bytes: 100 << 20}
	w.Service = template.New(template.Deps{
		Store: w,
		Parts: func(_ context.Context, spec vm.Spec, k vm.Kernel) (template.Parts, error) {
			return template.Parts{Driver: spec.Driver, Shape: fmt.Sprint(spec.VCPU, spec.MemoryBytes), KernelSHA256: k.SHA256}, w.parts
		},
		Save: func(_ context.Context, _ string, spec vm.Spec) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.specs = append(w.specs, spec)
			return w.saveErr
		},
		Blank: func(_ string, disks []vm.Disk) ([]vm.Disk, error) { return disks, nil },
		Quiet: func(context.Context, int64) error { return w.quiet },
		On:    func(context.Context) bool { return w.on },
		Now:   time.Now, Log: slog.New(slog.DiscardHandler),
	})
	w.Run(t.Context())
	t.Cleanup(w.Close)
	return w
}

func (w *world) Hold(_ context.Context, key string) (template.Manifest, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.stored, key)
	if i < 0 {
		return template.Manifest{}, fault.New(fault.NotFound, "none")
	}
	w.stored = append([]string{key}, slices.Delete(w.stored, i, i+1)...)
	return template.Manifest{Key: key, Shape: "shape", TSCKHz: 7}, w.harmed
}

func (w *world) Stage(_ context.Context, key string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.staged = append(w.staged, key)
	return "/staged/" + key, nil
}

func (w *world) Discard(_ context.Context, key string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.staged = slices.DeleteFunc(w.staged, func(k string) bool { return k == key })
	return nil
}

func (w *world) Commit(_ context.Context, key string, _ template.About, _ time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored, w.harmed = append([]string{key}, w.stored...), nil
	return nil
}

func (w *world) Remove(_ context.Context, key string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored = slices.DeleteFunc(w.stored, func(k string) bool { return k == key })
	return nil
}

func (w *world) List(context.Context) ([]template.Stored, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []template.Stored
	for _, key := range w.stored {
		all = append(all, template.Stored{Manifest: template.Manifest{Key: key}, Bytes: w.bytes})
	}
	return all, nil
}

func (w *world) Sweep(context.Context) error { return nil }

func (w *world) start(vcpu int) *vm.Template {
	w.t.Helper()
	spec := vm.Spec{
		VMID: "id", Name: "web", StartID: "s", Driver: "d", VMM: "/vmm", VCPU: vcpu, MemoryBytes: 1 << 20, Kernel: "/k", Initramfs: "/i",
		Disks:   []vm.Disk{{Serial: "image", Path: "/image", ReadOnly: true, Pin: &vm.Pin{}}, {Serial: "vm", Path: "/disk"}},
		Network: &vm.Network{MAC: "m", MTU: 9, Guest4: "198.18.0.1/15", Egress: "all"}, Loopback: "127.1.2.3",
		Guest: vm.Guest{Hostname: "web", Token: "secret", HostKey: "secret", Env: []string{"A=secret"}}, ReadyTimeoutMillis: 1000,
	}
	found := w.For(w.t.Context(), spec, vm.Kernel{Name: "k", SHA256: "sha"})
	synctest.Wait()
	return found
}

func (w *world) made() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.specs)
}

func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func TestTheSecondStartOfAShapeGoesOnFromAMachine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		if found := w.start(1); found != nil {
			t.Errorf("the first start has %+v", found)
		}
		found := w.start(1)
		if found == nil || found.Shape != "shape" || found.TSCKHz != 7 {
			t.Errorf("the second start has %+v", found)
		}
		if other := w.start(2); other != nil {
			t.Errorf("another shape has %+v", other)
		}
		if w.made() != 2 || len(w.staged) > 0 {
			t.Errorf("%d were made, and %q are left", w.made(), w.staged)
		}
	})
}

// TestAMachineIsNobodys fails when anything of the VM that was missed goes into what is saved.
func TestAMachineIsNobodys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(1)
		s := w.specs[0]
		if !s.Saves || !reflect.DeepEqual(s.Guest, vm.Guest{}) || s.Name == "web" || s.VMID == "id" || s.Loopback != "" || s.Template != nil {
			t.Errorf("the spec is %+v", s)
		}
		if n := s.Network; n == nil || !reflect.DeepEqual(*n, vm.Network{MAC: "m", MTU: 9}) {
			t.Errorf("its network is %+v", n)
		}
		if want := []vm.Disk{{Serial: "image", ReadOnly: true}, {Serial: "vm"}}; !reflect.DeepEqual(s.Disks, want) {
			t.Errorf("its disks are %+v", s.Disks)
		}
		if s.VCPU != 1 || s.MemoryBytes != 1<<20 || s.Kernel != "/k" || s.Initramfs != "/i" || s.Driver != "d" || s.VMM != "/vmm" {
			t.Errorf("its machine is %+v", s)
		}
	})
}

func TestNothingIsUsedOrMadeWhereItIsOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(1)
		w.on = false
		if found := w.start(1); found != nil {
			t.Errorf("a start has %+v", found)
		}
		w.start(2)
		if w.made() != 1 {
			t.Errorf("%d were made", w.made())
		}
	})
}

func TestADriverThatSavesNothingIsNoFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.parts = fault.New(fault.Unavailable, "cannot save")
		if found := w.start(1); found != nil || w.made() != 0 {
			t.Errorf("a start has %+v, and %d were made", found, w.made())
		}
	})
}

func TestADamagedMachineIsMadeAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(1)
		w.harmed = fault.New(fault.Unavailable, "damaged")
		if found := w.start(1); found != nil {
			t.Errorf("from a damaged one goes %+v", found)
		}
		if found := w.start(1); found == nil || w.made() != 2 {
			t.Errorf("then there is %+v, and %d were made", found, w.made())
		}
		w.Failed(t.Context(), w.stored[0])
		if found := w.start(1); found != nil {
			t.Errorf("one that could not be started from is there still: %+v", found)
		}
	})
}

func TestWhatCannotBeMadeIsNotTriedAtEachStart(t *testing.T) {
	for name, set := range map[string]func(w *world){
		"the machine fails":    func(w *world) { w.saveErr = errors.New("no") },
		"the host has no room": func(w *world) { w.quiet = errors.New("no memory") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				set(w)
				for range 3 {
					w.start(1)
				}
				if w.made() > 1 || len(w.staged) > 0 || len(w.stored) > 0 {
					t.Errorf("%d were tried, %q are left, %q stored", w.made(), w.staged, w.stored)
				}
				w.saveErr, w.quiet = nil, nil
				<-time.After(time.Hour)
				w.start(1)
				if found := w.start(1); found == nil {
					t.Error("an hour later it is not tried again")
				}
			})
		})
	}
}

func TestTheLeastUsedGoWhenThereAreTooMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.bytes = template.MaxBytes / 2
		w.start(1)
		w.start(2)
		first := w.start(1) // used again
		w.start(3)
		if len(w.stored) != 2 || !slices.Contains(w.stored, first.Key) {
			t.Errorf("%q are stored; want the latest and %s", w.stored, first.Key)
		}
	})
}

func TestEachPartIsPartOfTheKey(t *testing.T) {
	whole := template.Parts{Driver: "a", Shape: "b", VMM: "c", CPU: "d", KernelSHA256: "e", Initramfs: "f"}
	seen := map[string]string{whole.Key(): "none"}
	for i := range reflect.TypeFor[template.Parts]().NumField() {
		other := whole
		field := reflect.ValueOf(&other).Elem().Field(i)
		if field.Kind() != reflect.String {
			continue
		}
		field.SetString("another")
		name := reflect.TypeFor[template.Parts]().Field(i).Name
		if same, ok := seen[other.Key()]; ok {
			t.Errorf("another %s gives the key of another %s", name, same)
		}
		seen[other.Key()] = name
	}
	if key := whole.Key(); len(key) != 32 {
		t.Errorf("the key is %q", key)
	}
}
