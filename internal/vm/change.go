package vm

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// Change is what Set changes. Nil leaves a value; a label with an empty value
// is removed. Env has KEY=VALUE, which adds to the VM's own or replaces one;
// UnsetEnv has keys.
type Change struct {
	Name        *string
	VCPU        *int
	MemoryBytes *int64
	DiskBytes   *int64
	Kernel      *string // a local one
	Driver      *string // a name, or DriverAuto; Set asks whether it can be used
	Labels      map[string]string
	Publish     *[]Publish // all of them
	Env         []string
	UnsetEnv    []string
	Nested      *bool
	Console     *bool
	Entrypoint  *RestartPolicy // of a VM whose image's program runs
	Protected   *bool
}

// whileAlive reports whether a living VM can be changed so: it takes all else at its start.
func (c Change) whileAlive() bool {
	c.Labels, c.Protected = nil, nil
	if len(c.Env) == 0 {
		c.Env = nil
	}
	if len(c.UnsetEnv) == 0 {
		c.UnsetEnv = nil
	}
	return reflect.ValueOf(c).IsZero()
}

// Set changes a stopped VM, or the labels and the protection of any. A disk only grows.
func (s *Service) Set(ctx context.Context, name string, change Change) (VM, error) {
	v, release, err := s.claimed(ctx, name, "set")
	if err != nil {
		return VM{}, err
	}
	defer release()
	if (v.State.Alive() || v.State == Suspended) && !change.whileAlive() {
		return VM{}, fault.New(fault.Conflict, "VM %s is %s: only its labels and its protection can be changed", v.Name, v.State).
			Try(act.VMStop.On(v.Name))
	}
	host, err := s.deps.Host.Facts(ctx)
	if err != nil {
		return VM{}, err
	}
	if change.Driver != nil {
		asked, err := s.askedDriver(ctx, *change.Driver)
		if err != nil {
			return VM{}, err
		}
		change.Driver = &asked
	}
	want, err := change.apply(v, host)
	if err != nil {
		return VM{}, err
	}
	if err := s.checkNesting(ctx, change, want); err != nil {
		return VM{}, err
	}
	if want.Name != v.Name {
		if err := s.checkFree(ctx, want.Name); err != nil {
			return VM{}, err
		}
	}
	if change.Publish != nil {
		if err := s.checkHostPorts(ctx, want); err != nil {
			return VM{}, err
		}
	}
	if err := s.changeFiles(ctx, v, want, change); err != nil {
		return VM{}, err
	}
	done, err := s.update(ctx, v.ID, func(v *VM) (err error) {
		*v, err = change.apply(*v, host)
		return err
	})
	if err != nil {
		return VM{}, err
	}
	if done.Name != v.Name {
		s.named(ctx, done.ID, done.Name)
	}
	s.regroup(done)
	s.pokeGroups(v.Labels[GroupLabel], done.Labels[GroupLabel])
	return done, nil
}

// changeFiles changes the files of a VM before its record: a disk that is larger than
// the record says, or a kernel of another name, harms nothing.
func (s *Service) changeFiles(ctx context.Context, v, want VM, change Change) error {
	if want.DiskBytes > v.DiskBytes {
		if err := s.deps.Disks.Grow(ctx, v.ID, want.DiskBytes); err != nil {
			return err
		}
	}
	if change.Kernel == nil {
		return nil
	}
	return s.deps.Kernels.Replace(ctx, v.ID, want.Kernel, func(k Kernel) error {
		_, err := s.driverOf(ctx, want, k)
		if errors.Is(err, fault.Invalid) { // a driver that is not there for now may be by the next start
			return err
		}
		return nil
	})
}

// named tells by which name a VM is known from now on. What cannot be told is
// made up for at the next start of the VM, or of the daemon.
func (s *Service) named(ctx context.Context, id, name string) {
	if err := s.deps.Names.Named(ctx, id, name); err != nil {
		s.log.Warn("cannot publish the name of a VM", "vm", id, "name", name, "error", err)
	}
}

// apply returns the VM as it should be, or why it cannot be so.
func (c Change) apply(v VM, host HostFacts) (VM, error) {
	if c.Name != nil {
		v.Name = *c.Name
		if err := ValidateName(v.Name); err != nil {
			return VM{}, err
		}
	}
	if c.VCPU != nil {
		v.VCPU = *c.VCPU
		if err := validateVCPU(v.VCPU, host); err != nil {
			return VM{}, err
		}
	}
	if c.MemoryBytes != nil {
		if err := validateMemory(*c.MemoryBytes, host); err != nil {
			return VM{}, err
		}
		v.MemoryBytes = roundUp(*c.MemoryBytes)
	}
	if c.DiskBytes != nil {
		if err := validateDisk(*c.DiskBytes, host); err != nil {
			return VM{}, err
		}
		size := roundUp(*c.DiskBytes)
		if size < v.DiskBytes {
			return VM{}, fault.New(fault.Invalid, "disk size %d MiB is less than the %d MiB that VM %s has", size/mib, v.DiskBytes/mib, v.Name).
				WithHint("a disk cannot shrink")
		}
		v.DiskBytes = size
	}
	if c.Kernel != nil {
		if v.Kernel = *c.Kernel; v.Kernel == "" {
			return VM{}, fault.New(fault.Invalid, "the kernel's name is empty").Try(act.KernelList.Do())
		}
	}
	if c.Driver != nil {
		v.Driver = *c.Driver
	}
	if c.Publish != nil {
		var err error
		if v.Publish, err = completePublish(*c.Publish); err != nil {
			return VM{}, err
		}
	}
	if c.Nested != nil {
		v.Nested = *c.Nested
	}
	if c.Console != nil {
		v.Console = *c.Console
	}
	if err := c.applyEntrypoint(&v); err != nil {
		return VM{}, err
	}
	if c.Protected != nil {
		v.Protected = *c.Protected
	}
	var err error
	if v.Env, err = c.environment(v.Env); err != nil {
		return VM{}, err
	}
	return c.applyLabels(v)
}

func (c Change) applyEntrypoint(v *VM) error {
	switch {
	case c.Entrypoint == nil:
		return nil
	case v.Entrypoint == "":
		return fault.New(fault.Conflict, "VM %s does not run its image's entrypoint, so it has no restart policy", v.Name).
			WithHint("create a VM that runs it: %s", act.VMCreate.Do(act.Entrypoint))
	case *c.Entrypoint == "":
		return fault.New(fault.Invalid, "the restart policy is empty").WithHint("no, on-failure or always")
	}
	v.Entrypoint = *c.Entrypoint
	return validateEntrypoint(v.Entrypoint)
}

// environment returns have with what is changed of it.
func (c Change) environment(have []string) ([]string, error) {
	if len(c.Env) == 0 && len(c.UnsetEnv) == 0 {
		return have, nil
	}
	if err := validateEnv(c.Env); err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for _, key := range c.UnsetEnv {
		gone[key] = true
	}
	for _, entry := range c.Env {
		key, _, _ := strings.Cut(entry, "=")
		gone[key] = true
	}
	kept := make([]string, 0, len(have)+len(c.Env))
	for _, entry := range have {
		if key, _, _ := strings.Cut(entry, "="); !gone[key] {
			kept = append(kept, entry)
		}
	}
	kept = append(kept, c.Env...)
	return kept, validateEnv(kept)
}

func (c Change) applyLabels(v VM) (VM, error) {
	if len(c.Labels) == 0 {
		return v, nil
	}
	labels := maps.Clone(v.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range c.Labels {
		if value == "" {
			delete(labels, key)
			continue
		}
		labels[key] = value
	}
	v.Labels = labels
	return v, validateLabels(labels)
}

// checkFree finds a taken name before anything is done. The store decides in
// the end.
func (s *Service) checkFree(ctx context.Context, name string) error {
	found, err := s.deps.Store.Lookup(ctx, name, 1)
	if err != nil {
		return err
	}
	if len(found) > 0 && found[0].Name == name {
		return fault.New(fault.Conflict, "the name %q is already in use", name).
			WithHint("choose another name, or delete the VM: %s", act.VMDelete.On(name))
	}
	return nil
}
