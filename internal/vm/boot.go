package vm

import (
	"context"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
)

// boot is all that one start needs and that can fail before the start.
type boot struct {
	image     Image
	kernel    Kernel
	initramfs string
	driver    Driver
	host      HostFacts
	identity  Identity
	keys      []string
	files     []File
	resolvers []string
	ready     time.Duration
}

// prepare gathers what a start of v needs. The VM's directory exists.
func (s *Service) prepare(ctx context.Context, v VM) (b boot, err error) {
	if b.host, err = s.deps.Host.Facts(ctx); err != nil {
		return b, err
	}
	if b.image, err = s.deps.Images.ByID(ctx, v.ImageID); err != nil {
		return b, err
	}
	if b.kernel, err = s.deps.Kernels.Of(ctx, v.ID, v.Kernel); err != nil {
		return b, err
	}
	if err := checkArchitecture(b.kernel, b.host); err != nil {
		return b, err
	}
	if b.driver, err = s.driverOf(ctx, v, b.kernel); err != nil {
		return b, err
	}
	if b.initramfs, err = s.deps.Kernels.Initramfs(ctx, b.kernel); err != nil {
		return b, err
	}
	if b.identity, err = s.deps.Identities.Ensure(ctx, v.ID); err != nil {
		return b, err
	}
	if err := s.deps.Names.Named(ctx, v.ID, v.Name); err != nil {
		return b, err
	}
	b.ready = s.deps.ReadyTimeout(ctx)
	if s.deps.Resolvers != nil {
		b.resolvers = s.deps.Resolvers(ctx)
	}
	if s.deps.Files != nil {
		var notes []string
		if b.files, notes = s.deps.Files(ctx); len(notes) > 0 {
			s.log.Info("some files were not copied", "vm", v.ID, "name", v.Name, "notes", notes)
		}
	}
	b.files = v.Files.apply(b.files)
	b.keys, err = s.deps.Identities.AuthorizedKeys(ctx)
	return b, err
}

// Machine is what a start of a VM would run, and its kernel.
func (s *Service) Machine(ctx context.Context, name string) (Spec, Kernel, error) {
	v, err := s.Get(ctx, name)
	if err != nil {
		return Spec{}, Kernel{}, err
	}
	b, err := s.prepare(ctx, v)
	if err != nil {
		return Spec{}, Kernel{}, err
	}
	return b.spec(s, v), b.kernel, nil
}

func checkArchitecture(k Kernel, host HostFacts) error {
	if k.Architecture != "" && k.Architecture != host.Architecture {
		return fault.New(fault.Invalid, "kernel %s is for %s, this host is %s", k.Name, k.Architecture, host.Architecture).
			Try(act.KernelList.Do())
	}
	return nil
}

// spec is the input of one start.
func (b boot) spec(s *Service, v VM) Spec {
	disks := []Disk{
		{Serial: SerialImage, Path: b.image.Rootfs, ReadOnly: true, Pin: b.image.Pin},
		{Serial: SerialVM, Path: s.deps.Disks.Path(v.ID)},
	}
	if b.kernel.Modules != "" {
		disks = append(disks, Disk{Serial: SerialModules, Path: b.kernel.Modules, ReadOnly: true})
	}
	spec := Spec{
		Format: SpecFormat, VMID: v.ID, Name: v.Name, StartID: v.StartID,
		Driver: b.driver.Name, VMM: b.driver.VMM, VCPU: v.VCPU, Nested: v.Nested, NoConsole: v.NoConsole, MemoryBytes: v.MemoryBytes,
		Kernel: b.kernel.Vmlinux, Initramfs: b.initramfs, Disks: disks,
		ReadyTimeoutMillis: b.ready.Milliseconds(),
		Guest: Guest{
			Hostname: v.Name, MachineID: b.identity.MachineID, Token: b.identity.Token,
			HostKey: b.identity.HostKey, AuthorizedKeys: b.keys,
			Env:        slices.Concat(b.image.Config.Env, v.Env),
			WorkingDir: b.image.Config.WorkingDir, Volumes: b.image.Config.Volumes, User: v.User,
			Program: b.image.Config.Command(), StopSignal: b.image.Config.StopSignal, Entrypoint: v.Entrypoint,
			HealthCheck: v.healthCheck(b.image),
			Init:        v.Init, Reset: v.ResetPending, Files: b.files,
		},
		Loopback: Loopback(s.deps.UID, v.Index).String(), Publish: v.Publish, Ports: v.Ports,
	}
	if b.driver.JailFirstUID != 0 {
		spec.JailUID = b.driver.JailFirstUID + v.Index - MinIndex
	}
	if v.Network != NetworkNone {
		network := guestNetwork(v.Index)
		network.Resolvers, network.Egress = b.resolvers, v.Egress
		spec.Network = &network
	}
	return spec
}

// apply returns what a guest gets of the files that are placed.
func (m FilesMode) apply(files []File) []File {
	switch m {
	case FilesNone:
		return nil
	case FilesEmptied:
		for i := range files {
			files[i].Data = nil
		}
	case FilesPlaced:
	}
	return files
}

// launch starts the machine of a VM that has none, and records it. The caller
// holds the VM. When it fails nothing runs, and the record says why; when ctx
// ended, the record is as it was.
func (s *Service) launch(ctx context.Context, v VM, rescue bool) (*watch, error) {
	began := s.now()
	if err := s.settleRollback(ctx, v.ID); err != nil {
		return nil, err
	}
	b, err := s.prepare(ctx, v)
	if err != nil {
		return nil, err
	}
	before := v
	v, err = s.update(ctx, v.ID, func(v *VM) error {
		v.State, v.StartID, v.HostBootID, v.Driver = Starting, ids.New(), b.host.BootID, b.driver.Name
		v.ExitReason, v.ExitMessage, v.ExitHint, v.StartedAt, v.StoppedAt = "", "", nil, began, time.Time{}
		v.NoConsole = b.driver.ConsoleCosts && !v.Console
		v.BootTimeline = BootTimeline{How: BootCold, Driver: b.driver.Name}
		return nil
	})
	if err != nil {
		return nil, err
	}
	spec := b.spec(s, v)
	spec.Guest.Rescue, spec.BeganAt = rescue, began
	spec.Host = s.machineHost(ctx, spec)
	if s.deps.Templates != nil && !rescue { // a rescue stands on as little as it can
		spec.Template = s.deps.Templates.For(ctx, spec, b.kernel)
	}
	machine, err := s.deps.Machines.Start(ctx, spec)
	if err != nil {
		s.recordNoStart(ctx, before, err)
		return nil, err
	}
	return s.track(v, machine), nil
}

// recordNoStart stores that a start came to nothing: as if it had not been
// tried when ctx ended, else as a failure.
func (s *Service) recordNoStart(ctx context.Context, before VM, cause error) {
	abandoned := ctx.Err() != nil
	_, err := s.update(ctx, before.ID, func(v *VM) error {
		if abandoned {
			*v = before
			return nil
		}
		v.State, v.StoppedAt = Failed, s.now()
		v.ExitReason, v.ExitMessage, v.ExitHint = ReasonStartFailed, cause.Error(), fault.HintOf(cause).Clip()
		return nil
	})
	if err != nil {
		s.log.Error("failed start not recorded", "vm", before.ID, "error", err)
	}
}
