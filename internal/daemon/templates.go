package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/hostinfo"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/templatestore"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

const (
	// quietPause is how long nothing has started when a template is made.
	quietPause = 3 * time.Second
	// spareMemory is what the host has left, in bytes, when a template's machine runs.
	spareMemory = 512 << 20
)

// wireTemplates makes the templates. It comes before wireVMs, which makes the launcher.
func (d *daemon) wireTemplates() {
	d.saved = templatestore.New(d.dirs, d.log)
	d.templates = template.New(template.Deps{
		Store: d.saved, Parts: templateParts, Blank: templatestore.Blank, Quiet: d.quiet,
		Save: func(ctx context.Context, dir string, spec vm.Spec) error {
			return d.launcher.Save(ctx, statedir.VM(dir), spec)
		},
		On:  func(ctx context.Context) bool { return d.set.of(ctx).VM.Template == config.TemplateAuto },
		Now: time.Now, Log: d.log,
	})
}

// templates implements server.Templates.
type templates struct {
	*template.Service
	vms *vm.Service
}

func (t templates) Build(ctx context.Context, vmName string, p operation.Progress) (template.Stored, error) {
	spec, k, err := t.vms.Machine(ctx, vmName)
	if err != nil {
		return template.Stored{}, err
	}
	return t.Service.Build(ctx, spec, k, p)
}

// templateParts are those of the machine that a start of spec would run.
func templateParts(_ context.Context, spec vm.Spec, k vm.Kernel) (template.Parts, error) {
	driver, err := drivers.Named(spec.Driver)
	if err != nil {
		return template.Parts{}, err
	}
	machine := vmm.Spec{
		VCPU: spec.VCPU, Nested: spec.Nested, MemoryBytes: spec.MemoryBytes, CmdlineExtra: spec.CmdlineExtra,
	}
	for _, disk := range spec.Disks {
		machine.Disks = append(machine.Disks, vmm.Disk{ReadOnly: disk.ReadOnly})
	}
	if n := spec.Network; n != nil {
		machine.NIC = &vmm.NIC{MAC: n.MAC, MTU: n.MTU}
	}
	p := template.Parts{Driver: spec.Driver, KernelSHA256: k.SHA256, Initramfs: filepath.Base(spec.Initramfs)}
	if p.Shape, err = driver.Shape(machine); err != nil {
		return p, err
	}
	if p.CPU, err = hostinfo.CPU(); err != nil {
		return p, err
	}
	p.VMM, err = executable(spec.VMM)
	return p, err
}

// executable tells a program's file from others, and from itself after a change.
func executable(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	inode := uint64(0)
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	return fmt.Sprintf("%s %d %d %d", path, info.Size(), info.ModTime().UnixNano(), inode), nil
}

// quiet implements template.Deps.
func (d *daemon) quiet(ctx context.Context, memoryBytes int64) error {
	for {
		if err := pace.Pause(ctx, quietPause); err != nil {
			return err
		}
		all, err := d.store.List(ctx)
		if err != nil {
			return err
		}
		if !starting(all) {
			break
		}
	}
	load, err := hostinfo.LoadOf(d.dirs.Cache)
	if err != nil {
		return err
	}
	if load.MemoryAvailable < memoryBytes+spareMemory {
		return fault.New(fault.Unavailable, "the host has %d MiB of memory left; a template of %d MiB needs more",
			load.MemoryAvailable>>20, memoryBytes>>20)
	}
	return nil
}

func starting(all []vm.VM) bool {
	for _, v := range all {
		if v.State == vm.Starting {
			return true
		}
	}
	return false
}
