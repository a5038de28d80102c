package vm

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// nameTries is how many generated names may be taken before one gets a number.
const nameTries = 8

// CreateRequest asks for a VM. Nil and empty mean the default.
type CreateRequest struct {
	Name        *string
	Image       *string
	Platform    string // as image.ParsePlatform reads it; empty: this host's
	Kernel      *string
	Driver      *string // a name, or DriverAuto
	VCPU        *int
	MemoryBytes *int64
	DiskBytes   *int64
	Nested      bool // the guest can run VMs itself
	Console     *bool
	Init        InitMode
	Entrypoint  RestartPolicy // empty: the image's program does not run
	// NoHealthcheck has the image's program run without its health check.
	NoHealthcheck bool
	Env           []string
	Labels        map[string]string
	Network       NetworkMode
	Egress        *string // a preset or the text of a policy
	Publish       []Publish
	Ports         *PortsMode
	Start         bool
	Wait          Wait
}

// Create makes a VM, and starts it if asked. Cancelled, or failing before the
// machine runs, it leaves nothing. A guest that comes up badly is kept, failed,
// for its log to be read; and when the daemon shuts down while the guest is
// waited for, the VM lives on.
func (s *Service) Create(ctx context.Context, req CreateRequest, p operation.Progress) (VM, error) {
	c := &creation{s: s, req: req, p: p}
	defer c.release()
	if err := operation.RunSteps(ctx, p, c.steps()); err != nil {
		return VM{}, err
	}
	c.release()
	if req.Start {
		if err := s.await(ctx, c.v, c.w, 0, req.Wait, p); err != nil {
			if ctx.Err() == nil || errors.Is(context.Cause(ctx), operation.ErrShutdown) {
				return VM{}, err
			}
			return VM{}, errors.Join(err, c.abandon(ctx))
		}
	}
	return s.byID(ctx, c.v.ID)
}

// creation is one Create under way.
type creation struct {
	s    *Service
	req  CreateRequest
	p    operation.Progress
	v    VM
	w    *watch
	free func() // of the verb; nil when it is not held

	defaults Defaults
	rules    []egress.Rule // of new VMs
	kernel   Kernel
}

func (c *creation) release() {
	if c.free != nil {
		c.free()
		c.free = nil
	}
}

func (c *creation) steps() []operation.Step {
	steps := []operation.Step{
		{Name: "check", Do: c.check},
		{Name: "image", Do: c.resolve},
		{Name: "disk", Do: c.reserve, Undo: c.unreserve},
		{Do: c.makeDisk, Undo: c.removeDisk},
	}
	if c.req.Start {
		steps = append(steps, operation.Step{Name: "start", Do: c.start, Undo: c.unstart})
	}
	return append(steps, operation.Step{Do: c.commit})
}

func (c *creation) resolve(ctx context.Context) error {
	img, err := c.s.deps.Images.Resolve(ctx, c.v.Image, c.req.Platform, c.p)
	if err != nil {
		return err
	}
	k, err := c.findKernel(ctx, img)
	if err != nil {
		return err
	}
	host, err := c.s.deps.Host.Facts(ctx)
	if err != nil {
		return err
	}
	c.v.ImageID, c.v.Kernel, c.kernel = img.ID, k.Name, k
	if c.defaults.ImageUser {
		c.v.User = img.Config.User
	}
	if img.DiskBytes > 0 && c.req.DiskBytes == nil {
		c.v.DiskBytes = roundUp(min(max(img.DiskBytes, MinDiskBytes), host.DiskBytes))
	}
	if c.req.MemoryBytes == nil {
		c.v.MemoryBytes = roundUp(max(c.v.MemoryBytes, min(img.MemoryBytes, host.MemoryBytes)))
	}
	if err := c.checkProgram(img); err != nil {
		return err
	}
	if err := checkArchitecture(k, host); err != nil {
		return err
	}
	_, err = c.s.deps.Host.Driver(ctx, c.v.Driver, DriverAsk{Nested: c.v.Nested, Kernel: k})
	return err
}

// reserve stores the record, by which the name is taken, and holds the VM.
func (c *creation) reserve(ctx context.Context) error {
	free, err := c.s.beginWhenFree(ctx, c.v.ID, "create")
	if err != nil {
		return err
	}
	c.free = free
	if c.req.Name != nil {
		c.v.Name = *c.req.Name
		return c.insert(ctx)
	}
	for try := range 2 * nameTries {
		c.v.Name = c.s.nameless()
		if try >= nameTries {
			c.v.Name += "-" + strconv.Itoa(try) + c.v.ID[:4]
		}
		err = c.insert(ctx)
		if !errors.Is(err, fault.Conflict) {
			return err
		}
	}
	return fmt.Errorf("find a free name: %w", err)
}

// insert stores the record, with another index when somebody was quicker.
func (c *creation) insert(ctx context.Context) error {
	for {
		err := c.s.insert(ctx, c.v)
		if !errors.Is(err, ErrIndexTaken) || ctx.Err() != nil {
			return err
		}
		if c.v.Index, err = c.s.freeIndex(ctx, c.v.ID); err != nil {
			return err
		}
	}
}

func (c *creation) unreserve(ctx context.Context) error {
	return c.s.forget(ctx, c.v.ID)
}

// makeDisk makes the directory with disk and identity. The image is looked for
// again: from now on the record keeps it from being deleted.
func (c *creation) makeDisk(ctx context.Context) error {
	if _, err := c.s.deps.Images.ByID(ctx, c.v.ImageID); err != nil {
		return err
	}
	if err := c.s.deps.Disks.Create(ctx, c.v.ID, c.v.DiskBytes); err != nil {
		return err
	}
	if err := c.s.deps.Kernels.Keep(ctx, c.v.ID, c.kernel); err != nil {
		return err
	}
	if _, err := c.s.deps.Identities.Ensure(ctx, c.v.ID); err != nil {
		return err
	}
	return c.s.deps.Names.Named(ctx, c.v.ID, c.v.Name)
}

func (c *creation) removeDisk(ctx context.Context) error {
	c.s.named(ctx, c.v.ID, "")
	return c.s.deps.Disks.Remove(ctx, c.v.ID)
}

func (c *creation) start(ctx context.Context) (err error) {
	c.w, err = c.s.launch(ctx, c.v, false)
	return err
}

func (c *creation) unstart(ctx context.Context) error {
	if c.w == nil {
		return nil
	}
	v, err := c.s.byID(ctx, c.v.ID)
	if err != nil {
		return err
	}
	return c.s.endHard(ctx, v)
}

// commit makes the VM one that the next daemon keeps.
func (c *creation) commit(ctx context.Context) error {
	_, err := c.s.update(ctx, c.v.ID, func(v *VM) error {
		v.Provisional = false
		return nil
	})
	return err
}

// abandon takes back a VM that was complete, but whose maker no longer wants
// it. Someone else may have deleted it, which is no error.
func (c *creation) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultStopTimeout+endLimit)
	defer cancel()
	free, err := c.s.beginWhenFree(ctx, c.v.ID, "create")
	if err != nil {
		return err
	}
	defer free()
	v, err := c.s.byID(ctx, c.v.ID)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if v.State.Alive() {
		if err := c.s.endHard(ctx, v); err != nil {
			return err
		}
	}
	return c.s.erase(ctx, v.ID)
}
