package daemon

import (
	"context"
	"slices"
	"sync"

	"github.com/bangervm/banger/internal/vm"
)

// cachedVMs is a store that remembers what List returned until something
// changes. All changes go through it: nobody else writes to the database while
// the daemon holds its lock.
type cachedVMs struct {
	vm.Store
	names *vmNames // learns the names of all that pass

	mu    sync.Mutex
	known bool
	all   []vm.VM
}

// List implements vm.Store. The records' maps and slices are shared: nobody
// changes them in place.
func (c *cachedVMs) List(ctx context.Context) ([]vm.VM, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		all, err := c.Store.List(ctx)
		if err != nil {
			return nil, err
		}
		c.all, c.known = all, true
		c.names.learn(all...)
	}
	return slices.Clone(c.all), nil
}

// forget comes after each change, whatever became of it: what was read before
// it is dropped, and what is read later has it.
func (c *cachedVMs) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all, c.known = nil, false
}

// Insert implements vm.Store.
func (c *cachedVMs) Insert(ctx context.Context, v vm.VM) error {
	defer c.forget()
	c.names.learn(v)
	return c.Store.Insert(ctx, v)
}

// Update implements vm.Store.
func (c *cachedVMs) Update(ctx context.Context, id string, change func(*vm.VM) error) (vm.VM, error) {
	defer c.forget()
	v, err := c.Store.Update(ctx, id, change)
	c.names.learn(v)
	return v, err
}

// Delete implements vm.Store.
func (c *cachedVMs) Delete(ctx context.Context, id string) error {
	defer c.forget()
	defer c.names.forget(id)
	return c.Store.Delete(ctx, id)
}
