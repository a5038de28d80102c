package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// VMs implements vm.Store.
type VMs struct {
	db *sql.DB
}

var _ vm.Store = (*VMs)(nil)

// VMs is the store of VMs.
func (db *DB) VMs() *VMs { return &VMs{db: db.sql} }

func vmTable() table[vm.VM] {
	return table[vm.VM]{name: "vms", columns: vmColumns, refused: nameTaken, missing: func(id string) error {
		return fault.New(fault.NotFound, "no VM with the id %s", id).Try(act.VMList.Do())
	}}
}

func vmColumns(v *vm.VM) []column {
	return []column{
		{"id", &v.ID},
		{"name", &v.Name},
		{"image_id", &v.ImageID},
		{"image", &v.Image},
		{"kernel", &v.Kernel},
		{"vcpu", &v.VCPU},
		{"memory_bytes", &v.MemoryBytes},
		{"disk_bytes", &v.DiskBytes},
		{"init", &v.Init},
		{"env", document{&v.Env}},
		{"labels", document{&v.Labels}},
		{"state", &v.State},
		{"driver", &v.Driver},
		{"exit_reason", &v.ExitReason},
		{"exit_message", &v.ExitMessage},
		{"exit_hint", document{&v.ExitHint}},
		{"reset_pending", &v.ResetPending},
		{"files", &v.Files},
		{"start_id", &v.StartID},
		{"boot_timeline", document{&v.BootTimeline}},
		{"host_boot_id", &v.HostBootID},
		{"provisional", &v.Provisional},
		{"created_at", moment{&v.CreatedAt}},
		{"started_at", moment{&v.StartedAt}},
		{"stopped_at", moment{&v.StoppedAt}},
		{"network", &v.Network},
		{"net_index", &v.Index},
		{"egress", &v.Egress},
		{"publish", document{&v.Publish}},
		{"ports", &v.Ports},
		{"nested", &v.Nested},
		{"console", &v.Console},
		{"no_console", &v.NoConsole},
		{"protected", &v.Protected},
		{"user", &v.User},
		{"entrypoint", &v.Entrypoint},
		{"no_healthcheck", &v.NoHealthcheck},
	}
}

// Insert implements vm.Store.
func (s *VMs) Insert(ctx context.Context, v vm.VM) error {
	return vmTable().put(ctx, s.db, "INSERT", v)
}

// Lookup implements vm.Store.
func (s *VMs) Lookup(ctx context.Context, ref string, limit int) ([]vm.VM, error) {
	// Ids are hex digits, all of which sort before "g".
	return vmTable().list(ctx, s.db, `WHERE name = ?1 OR (id >= ?1 AND id < ?1 || 'g')
		ORDER BY name = ?1 DESC, id LIMIT ?2`, ref, limit)
}

// List implements vm.Store.
func (s *VMs) List(ctx context.Context) ([]vm.VM, error) {
	return vmTable().list(ctx, s.db, "ORDER BY created_at, id")
}

// Update implements vm.Store.
func (s *VMs) Update(ctx context.Context, id string, change func(*vm.VM) error) (vm.VM, error) {
	return vmTable().update(ctx, s.db, id, change)
}

// Delete implements vm.Store.
func (s *VMs) Delete(ctx context.Context, id string) error { return vmTable().remove(ctx, s.db, id) }

// nameTaken words the breach of a unique index: a name, or a network index.
func nameTaken(v vm.VM, err error) error {
	switch {
	case isUnique(err) && strings.Contains(err.Error(), "vms.net_index"):
		return fault.Wrap(fault.Conflict, vm.ErrIndexTaken, "store VM %s", v.Name).WithHint("try again")
	case isUnique(err):
		return fault.New(fault.Conflict, "the name %q is already in use", v.Name).
			WithHint("choose another name, or delete the VM: %s", act.VMDelete.On(v.Name))
	}
	return err
}
