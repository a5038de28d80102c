package sqlite

import (
	"context"
	"database/sql"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// newVMs is the key of the rules of new VMs, which a migration inserts.
const newVMs = "new-vms"

// EgressRules implements vm.EgressRules.
type EgressRules struct {
	db *sql.DB
}

var _ vm.EgressRules = (*EgressRules)(nil)

// EgressRules is the store of the egress rules of new VMs.
func (db *DB) EgressRules() *EgressRules { return &EgressRules{db: db.sql} }

// egressRules is one record of them.
type egressRules struct{ scope, policy string }

func egressRulesTable() table[egressRules] {
	return table[egressRules]{
		name:    "egress_rules",
		columns: func(r *egressRules) []column { return []column{{"scope", &r.scope}, {"policy", &r.policy}} },
		missing: func(scope string) error {
			return fault.New(fault.Internal, "the database has no egress rules of %s", scope)
		},
	}
}

// Read implements vm.EgressRules.
func (s *EgressRules) Read(ctx context.Context) (string, error) {
	r, err := egressRulesTable().get(ctx, s.db, newVMs)
	return r.policy, err
}

// Change implements vm.EgressRules.
func (s *EgressRules) Change(ctx context.Context, change func(string) (string, error)) error {
	_, err := egressRulesTable().update(ctx, s.db, newVMs, func(r *egressRules) (err error) {
		r.policy, err = change(r.policy)
		return err
	})
	return err
}
