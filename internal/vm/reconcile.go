package vm

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

const (
	// adoptLimit bounds the asking of one monitor when the daemon starts.
	adoptLimit = 5 * time.Second
	// adoptAtOnce is how many monitors are asked side by side.
	adoptAtOnce = 16
)

// Reconcile brings the records in line with what lives, when the daemon
// starts: living machines are adopted, the end of the others is recorded, VMs
// caught half-made or half-removed are removed. A monitor that does not answer
// in time keeps its record, and is asked again when its VM is used. A
// directory without a record is left alone and logged: it may hold the disk of
// a VM whose record was lost.
func (s *Service) Reconcile(ctx context.Context) error {
	vms, err := s.deps.Store.List(ctx)
	if err != nil {
		return err
	}
	host, err := s.deps.Host.Facts(ctx)
	if err != nil {
		return err
	}
	if err := s.sweep(ctx, vms); err != nil {
		return err
	}
	s.settleRollbacks(ctx, vms)
	var asking sync.WaitGroup
	turns := make(chan struct{}, adoptAtOnce)
	for _, v := range vms {
		if !v.Provisional && !v.State.Alive() {
			continue
		}
		turns <- struct{}{}
		asking.Go(func() {
			defer func() { <-turns }()
			limited, cancel := context.WithTimeout(ctx, adoptLimit)
			defer cancel()
			if err := s.reconcile(limited, v, host.BootID); err != nil {
				s.log.Warn("VM not reconciled", "vm", v.ID, "name", v.Name, "error", err)
			}
		})
	}
	asking.Wait()
	s.watchers.Go(func() { s.endRules(s.ctx) })
	return ctx.Err()
}

func (s *Service) reconcile(ctx context.Context, v VM, bootID string) error {
	if v.Provisional {
		if err := s.endHard(ctx, v); err != nil {
			return err
		}
		s.log.Info("half-made VM removed", "vm", v.ID, "name", v.Name)
		return s.erase(ctx, v.ID)
	}
	if v.HostBootID != bootID {
		if err := s.deps.Machines.End(ctx, v.ID); err != nil { // for what it left on disk
			s.log.Warn("a machine of before the host's restart", "vm", v.ID, "error", err)
		}
		exit, err := s.deps.Machines.LastExit(ctx, v.ID)
		if err != nil || exit.StartID != v.StartID {
			exit = Exit{Reason: ReasonHostRestart, Message: "the host rebooted while the VM was running", At: s.now()}
		}
		return s.recordExit(ctx, v.ID, v.StartID, exit)
	}
	_, err := s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// sweep removes what is half-made on disk, and logs directories that no record
// knows.
func (s *Service) sweep(ctx context.Context, vms []VM) error {
	ids, err := s.deps.Disks.Sweep(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, v := range vms {
		known[v.ID] = true
	}
	for _, id := range ids {
		if !known[id] {
			s.log.Warn("directory of an unknown VM left alone", "vm", id)
		}
	}
	return nil
}
