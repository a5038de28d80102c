// Package configure turns an anonymous machine into a VM: it mounts the disks
// and writes what Configure says into the tree that becomes the root.
package configure

import (
	"context"
	"fmt"
	"os"

	"github.com/bangervm/banger/internal/agent/device"
	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agentrpc"
)

// Where the disks are mounted in the initramfs; none is reachable after the
// switch of the root.
const (
	dirImage = "/banger/image"
	DirVM    = "/banger/vm"
	// Root is the tree that becomes the guest's root.
	Root = "/banger/root"
)

// Result is a configured tree at Root, not entered yet.
type Result struct {
	Init inits.Found
	// Sweep removes what a reset put aside. It may take long, needs no path, and
	// may run at any time. It is nil when there is nothing.
	Sweep func() error
	// LoadLate loads the kernel modules that no boot waits for. It needs no path,
	// and may run at any time.
	LoadLate func() error
	// Without6 says that the kernel has no IPv6, which Configure's network has.
	Without6 bool
}

// StepError says which step failed.
type StepError struct {
	Step string
	Err  error
}

// Error is the cause's.
func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

type step struct {
	name string
	run  func(ctx context.Context) error
}

// Run carries out cfg. begin is told each step's name when it begins. Nothing is
// undone on failure: the machine then goes down. The error is a *StepError.
func Run(ctx context.Context, cfg *agentrpc.Configure, begin func(step string)) (Result, error) {
	c := &configuring{cfg: cfg}
	for _, s := range []step{
		{"entropy", c.entropy},
		{"clock", c.clock},
		{"modules", c.modules},
		{"disks", c.disks},
		{"root", c.root},
		{"homes", c.homes},
		{"volumes", c.volumes},
		{"kernel-modules", c.kernelModules},
		{"system", c.system},
		{"identity", c.identity},
		{"files", c.files},
		{"network", c.network},
		{"init", c.chooseInit},
	} {
		begin(s.name)
		if err := s.run(ctx); err != nil {
			return Result{}, &StepError{s.name, err}
		}
	}
	return c.result, nil
}

type configuring struct {
	cfg    *agentrpc.Configure
	result Result
	// kernel is the running kernel's version; set by modules.
	kernel string
}

func (c *configuring) entropy(context.Context) error {
	if len(c.cfg.Entropy) == 0 {
		return nil
	}
	return addEntropy(c.cfg.Entropy)
}

func (c *configuring) clock(context.Context) error { return SetClock(c.cfg.UnixNano) }

func (c *configuring) modules(context.Context) error {
	list, err := device.Modules()
	if err != nil {
		return err
	}
	if c.kernel, err = kernelVersion(); err != nil {
		return err
	}
	if err := device.LoadModules(list.Late, list); err != nil {
		return err
	}
	c.result.LoadLate, err = device.OpenLate(list)
	return err
}

func (c *configuring) chooseInit(context.Context) (err error) {
	c.result.Init, err = inits.Choose(Root, c.cfg.Init.Mode)
	return err
}

func kernelVersion() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", fmt.Errorf("read the kernel's version: %w", err)
	}
	return trimLine(data), nil
}
