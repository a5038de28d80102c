package vm

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/image"
)

// CheckCreate returns what Create would refuse of a request by itself, so that
// nobody has to wait for it: Invalid for a value, Conflict for a taken name.
func (s *Service) CheckCreate(ctx context.Context, req CreateRequest) error {
	return (&creation{s: s, req: req}).fill(ctx)
}

// check validates the request, and the host, before anything is stored.
func (c *creation) check(ctx context.Context) error {
	if err := c.fill(ctx); err != nil {
		return err
	}
	if err := c.s.deps.Preflight(ctx); err != nil || !c.v.Nested {
		return err
	}
	_, err := c.s.deps.Host.Driver(ctx, c.v.Driver, DriverAsk{Nested: true}) // before anything is pulled
	return err
}

// fill makes the record from the request and the defaults, and validates it.
func (c *creation) fill(ctx context.Context) error {
	host, err := c.s.deps.Host.Facts(ctx)
	if err != nil {
		return err
	}
	rules, err := c.s.egressRules(ctx)
	if err != nil {
		return err
	}
	c.rules = rules.Own()
	c.defaults = c.s.deps.Defaults(ctx)
	d := c.defaults
	c.v = VM{
		ID:            ids.New(),
		Image:         valueOr(c.req.Image, d.Image),
		VCPU:          valueOr(c.req.VCPU, min(d.VCPU, host.CPUs)),
		MemoryBytes:   valueOr(c.req.MemoryBytes, min(d.MemoryBytes, host.MemoryBytes)),
		DiskBytes:     valueOr(c.req.DiskBytes, min(d.DiskBytes, host.DiskBytes)),
		Nested:        c.req.Nested,
		Console:       valueOr(c.req.Console, d.Console),
		Init:          c.req.Init,
		Entrypoint:    c.req.Entrypoint,
		NoHealthcheck: c.req.NoHealthcheck,
		Env:           slices.Clone(c.req.Env),
		Labels:        maps.Clone(c.req.Labels),
		Network:       c.req.Network,
		State:         Stopped,
		Provisional:   true,
		CreatedAt:     c.s.now(),
	}
	if c.req.Driver != nil {
		if c.v.Driver, err = c.s.askedDriver(ctx, *c.req.Driver); err != nil {
			return err
		}
	}
	if c.v.Init == "" {
		c.v.Init = InitAuto
	}
	if err := c.validate(host); err != nil {
		return err
	}
	if c.req.Name != nil {
		if err := c.s.checkFree(ctx, *c.req.Name); err != nil {
			return err
		}
	}
	c.v.MemoryBytes, c.v.DiskBytes = roundUp(c.v.MemoryBytes), roundUp(c.v.DiskBytes)
	if c.v.Index, err = c.s.freeIndex(ctx, c.v.ID); err != nil {
		return err
	}
	return c.s.checkHostPorts(ctx, c.v)
}

func (c *creation) validate(host HostFacts) error {
	if c.req.Name != nil {
		if err := ValidateName(*c.req.Name); err != nil {
			return err
		}
	}
	if c.v.Image == "" {
		return fault.New(fault.Invalid, "no image given").Try(act.ImageList.Do())
	}
	return errors.Join(
		c.checkPlatform(host),
		validateVCPU(c.v.VCPU, host),
		validateMemory(c.v.MemoryBytes, host),
		validateDisk(c.v.DiskBytes, host),
		validateInit(c.v.Init),
		validateEntrypoint(c.v.Entrypoint),
		validateEnv(c.v.Env),
		validateLabels(c.v.Labels),
		c.checkNetwork(),
		c.s.checkWait(c.req.Wait),
	)
}

// checkPlatform refuses what no VM of this host boots, before anything is pulled.
func (c *creation) checkPlatform(host HostFacts) error {
	p, err := image.ParsePlatform(c.req.Platform)
	if err != nil {
		return err
	}
	return p.Bootable(c.v.Image, host.Architecture)
}

func valueOr[T any](p *T, fallback T) T {
	if p != nil {
		return *p
	}
	return fallback
}
