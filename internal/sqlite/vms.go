package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// VMs implements vm.Store.
type VMs struct {
	db *sql.DB
}

var _ vm.Store = (*VMs)(nil)

const vmColumns = `id, name, image_id, image, kernel, vcpu, memory_bytes, disk_bytes, init, env, labels,
	state, driver, exit_reason, exit_message, reset_pending, start_id, host_boot_id, provisional,
	created_at, started_at, stopped_at, network, net_index, egress, publish, ports, protected`

// Insert implements vm.Store.
func (s *VMs) Insert(ctx context.Context, v vm.VM) error {
	values, err := vmValues(v)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "store VM %s", v.Name)
	}
	_, err = s.db.ExecContext(ctx, `INSERT INTO vms (`+vmColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, values...)
	return named(ctx, err, v.Name)
}

// Lookup implements vm.Store.
func (s *VMs) Lookup(ctx context.Context, ref string, limit int) ([]vm.VM, error) {
	// Ids are hex digits, all of which sort before "g".
	return s.query(ctx, `SELECT `+vmColumns+` FROM vms
		WHERE name = ?1 OR (id >= ?1 AND id < ?1 || 'g')
		ORDER BY name = ?1 DESC, id LIMIT ?2`, ref, limit)
}

// List implements vm.Store.
func (s *VMs) List(ctx context.Context) ([]vm.VM, error) {
	return s.query(ctx, `SELECT `+vmColumns+` FROM vms ORDER BY created_at, id`)
}

func (s *VMs) query(ctx context.Context, query string, args ...any) ([]vm.VM, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, translate(ctx, err)
	}
	defer func() { _ = rows.Close() }() // Err tells what Close would
	var vms []vm.VM
	for rows.Next() {
		v, err := scanVM(rows)
		if err != nil {
			return nil, translate(ctx, err)
		}
		vms = append(vms, v)
	}
	return vms, translate(ctx, rows.Err())
}

// Update implements vm.Store.
func (s *VMs) Update(ctx context.Context, id string, change func(*vm.VM) error) (vm.VM, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return vm.VM{}, translate(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit

	v, err := scanVM(tx.QueryRowContext(ctx, `SELECT `+vmColumns+` FROM vms WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return vm.VM{}, fault.New(fault.NotFound, "no VM with the id %s", id).WithHint("banger vm list")
	}
	if err != nil {
		return vm.VM{}, translate(ctx, err)
	}
	if err := change(&v); err != nil {
		return vm.VM{}, err
	}
	v.ID = id
	values, err := vmValues(v)
	if err != nil {
		return vm.VM{}, fault.Wrap(fault.Internal, err, "store VM %s", v.Name)
	}
	_, err = tx.ExecContext(ctx, `UPDATE vms SET (`+vmColumns+`) =
		(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`, append(values, id)...)
	if err != nil {
		return vm.VM{}, named(ctx, err, v.Name)
	}
	return v, translate(ctx, tx.Commit())
}

// Delete implements vm.Store.
func (s *VMs) Delete(ctx context.Context, id string) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM vms WHERE id = ?`, id)
	return translate(ctx, err)
}

// named is translate for a statement that may take a name, or an index, already taken.
func named(ctx context.Context, err error, name string) error {
	if isUnique(err) && strings.Contains(err.Error(), "vms.net_index") {
		return fault.Wrap(fault.Conflict, vm.ErrIndexTaken, "store VM %s", name).WithHint("try again")
	}
	if isUnique(err) {
		return fault.New(fault.Conflict, "the name %q is taken", name).
			WithHint("choose another name, or remove the VM: banger vm rm %s", name)
	}
	return translate(ctx, err)
}

func vmValues(v vm.VM) ([]any, error) {
	env, err := encode(v.Env)
	if err != nil {
		return nil, err
	}
	labels, err := encode(v.Labels)
	if err != nil {
		return nil, err
	}
	publish, err := encode(v.Publish)
	if err != nil {
		return nil, err
	}
	return []any{
		v.ID, v.Name, v.ImageID, v.Image, v.Kernel, v.VCPU, v.MemoryBytes, v.DiskBytes, string(v.Init), env, labels,
		string(v.State), v.Driver, v.ExitReason, v.ExitMessage, v.ResetPending, v.StartID, v.HostBootID, v.Provisional,
		nanos(v.CreatedAt), nanos(v.StartedAt), nanos(v.StoppedAt),
		string(v.Network), v.Index, v.Egress, publish, string(v.Ports), v.Protected,
	}, nil
}

func scanVM(row interface{ Scan(...any) error }) (vm.VM, error) {
	var v vm.VM
	var env, labels, publish string
	var created, started, stopped int64
	err := row.Scan(
		&v.ID, &v.Name, &v.ImageID, &v.Image, &v.Kernel, &v.VCPU, &v.MemoryBytes, &v.DiskBytes, &v.Init, &env, &labels,
		&v.State, &v.Driver, &v.ExitReason, &v.ExitMessage, &v.ResetPending, &v.StartID, &v.HostBootID, &v.Provisional,
		&created, &started, &stopped, &v.Network, &v.Index, &v.Egress, &publish, &v.Ports, &v.Protected,
	)
	if err != nil {
		return vm.VM{}, err
	}
	if err := decode("env", env, &v.Env); err != nil {
		return vm.VM{}, err
	}
	if err := decode("labels", labels, &v.Labels); err != nil {
		return vm.VM{}, err
	}
	if err := decode("publish", publish, &v.Publish); err != nil {
		return vm.VM{}, err
	}
	v.CreatedAt, v.StartedAt, v.StoppedAt = fromNanos(created), fromNanos(started), fromNanos(stopped)
	return v, nil
}
