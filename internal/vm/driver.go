package vm

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// DriverAuto has the next start of a VM choose its driver, where a request says so.
const DriverAuto = "auto"

// driverOf is the driver that a start of v with the kernel k takes: that of its last
// start, or the one that it was given since.
func (s *Service) driverOf(ctx context.Context, v VM, k Kernel) (Driver, error) {
	driver, err := s.deps.Host.Driver(ctx, v.Driver, DriverAsk{Nested: v.Nested, Kernel: k})
	if v.Driver != "" && errors.Is(err, fault.Unavailable) {
		return driver, fault.New(fault.Unavailable, "cannot use driver %s, which VM %s has: %s", v.Driver, v.Name, err.Error()).
			WithHint("%s, or give the VM another driver: %s", fault.HintOf(err).String(), act.VMSet.On(v.Name))
	}
	return driver, err
}

// askedDriver is what a VM's record has of a driver that was asked for. One that cannot be
// used on this host is refused.
func (s *Service) askedDriver(ctx context.Context, name string) (string, error) {
	if name == DriverAuto {
		return "", nil
	}
	if name == "" {
		return "", fault.New(fault.Invalid, "the driver's name is empty")
	}
	_, err := s.deps.Host.Driver(ctx, name, DriverAsk{})
	return name, err
}

// checkNesting refuses a change by which the VM, as it should be, asks its driver for what it cannot give.
func (s *Service) checkNesting(ctx context.Context, c Change, want VM) error {
	if !want.Nested || c.Nested == nil && c.Driver == nil {
		return nil
	}
	_, err := s.driverOf(ctx, want, Kernel{})
	return err
}
