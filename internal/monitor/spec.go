package monitor

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// maxSpec bounds spec.json, in bytes.
const maxSpec = 8 << 20

// readSpec reads and checks a VM's spec.json.
func readSpec(dir statedir.VM) (vm.Spec, error) {
	f, err := os.Open(dir.Spec())
	if err != nil {
		return vm.Spec{}, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSpec+1))
	if err != nil {
		return vm.Spec{}, err
	}
	if len(data) > maxSpec {
		return vm.Spec{}, fault.New(fault.Invalid, "%s is over %d bytes", dir.Spec(), maxSpec)
	}
	return parseSpec(data)
}

func parseSpec(data []byte) (vm.Spec, error) {
	var spec vm.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return vm.Spec{}, fault.Wrap(fault.Invalid, err, "cannot read spec.json")
	}
	switch {
	case spec.Format > vm.SpecFormat:
		return vm.Spec{}, fault.New(fault.Invalid, "spec.json has format %d, this build knows %d at most", spec.Format, vm.SpecFormat).
			WithHint("start the VM with the newer banger that wrote it")
	case spec.Format < 1:
		return vm.Spec{}, fault.New(fault.Invalid, "spec.json has no format number")
	case spec.VMID == "" || spec.StartID == "" || spec.Name == "":
		return vm.Spec{}, fault.New(fault.Invalid, "spec.json names no VM")
	case spec.VCPU < 1 || spec.MemoryBytes < 1:
		return vm.Spec{}, fault.New(fault.Invalid, "spec.json asks for %d CPUs and %d bytes of memory", spec.VCPU, spec.MemoryBytes)
	case spec.ReadyTimeoutMillis < 1:
		return vm.Spec{}, fault.New(fault.Invalid, "spec.json gives the guest %d ms to be ready", spec.ReadyTimeoutMillis)
	}
	return spec, nil
}

// configure makes the guest's identity from the spec. boots counts from the
// first that was configured: a reset is for that one only. serial is how the guest knows a
// disk.
func configure(spec vm.Spec, serial func(disk string) string, boots int, now int64, entropy []byte) (agentrpc.Configure, error) {
	g := spec.Guest
	c := agentrpc.Configure{
		Hostname:       g.Hostname,
		MachineID:      g.MachineID,
		UnixNano:       now,
		Entropy:        entropy,
		Init:           agentrpc.Init{Mode: agentrpc.InitMode(g.Init), Reset: g.Reset && boots == 1, Rescue: g.Rescue},
		Token:          g.Token,
		HostKey:        g.HostKey,
		AuthorizedKeys: g.AuthorizedKeys,
		Env:            g.Env,
		WorkingDir:     g.WorkingDir,
		Volumes:        g.Volumes,
		User:           g.User,
		Program: agentrpc.Program{
			Argv: g.Program, StopSignal: g.StopSignal, Restart: agentrpc.RestartPolicy(g.Entrypoint), Health: (*agentrpc.HealthCheck)(g.HealthCheck),
		},
	}
	for _, f := range g.Files {
		c.Files = append(c.Files, agentrpc.File{Path: f.Path, Mode: f.Mode, Data: f.Data})
	}
	for _, disk := range spec.Disks {
		switch disk.Serial {
		case vm.SerialImage:
			c.Disks.Image = serial(disk.Serial)
		case vm.SerialVM:
			c.Disks.VM = serial(disk.Serial)
		case vm.SerialModules:
			c.Disks.Modules = serial(disk.Serial)
		default:
			return c, fmt.Errorf("unknown role of a disk: %q", disk.Serial)
		}
	}
	if spec.Network != nil {
		c.Network = network(*spec.Network)
	}
	return c, nil
}

// network is the guest's side of its network.
func network(n vm.Network) *agentrpc.Network {
	return &agentrpc.Network{
		MAC: n.MAC, MTU: n.MTU,
		Address: []string{n.Guest4, n.Guest6},
		Gateway: []string{n.Gateway4, n.Gateway6},
		DNS:     []string{n.Gateway4},
	}
}
