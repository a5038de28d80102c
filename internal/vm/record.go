package vm

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// RecordTimeout bounds a write of a record that no caller bounds.
const RecordTimeout = 10 * time.Second

// errStale says that a record has moved on to another start. Nothing is stored.
var errStale = errors.New("the record is of another start")

// stateOf is what a monitor's status means to the user.
func stateOf(st Status) State {
	switch {
	case st.Phase == PhaseExited && st.Exit.Reason == ReasonSuspended:
		return Suspended
	case st.Phase == PhaseExited && st.Exit.Failed:
		return Failed
	case st.Phase == PhaseExited:
		return Stopped
	case st.Phase == PhaseStopping:
		return Stopping
	case st.Paused:
		return Paused
	case st.Phase == PhaseReady:
		return Running
	default:
		return Starting
	}
}

// recordStatus stores what a status changes in the VM's record, if anything. A
// record that cannot be written is logged: the next status, or the next
// daemon, brings it up to date.
func (s *Service) recordStatus(ctx context.Context, w *watch, st Status) {
	before, _ := w.snapshot()
	if before.StartID != "" && stateOf(before) == stateOf(st) && before.Driver == st.Driver {
		return
	}
	_, err := s.update(ctx, w.vmID, func(v *VM) error {
		if v.StartID != w.startID {
			return errStale
		}
		v.State = stateOf(st)
		v.BootTimeline.reach(st.Boot)
		if st.Driver != "" {
			v.Driver = st.Driver
		}
		if st.Phase == PhaseReady {
			v.ResetPending = false
			if v.Files == FilesEmptied {
				v.Files = FilesNone
			}
		}
		return nil
	})
	if st.Boot.NotRestored != "" && before.Boot.NotRestored == "" && s.deps.Templates != nil {
		s.deps.Templates.Failed(ctx, st.Boot.Template)
	}
	if err != nil && !errors.Is(err, errStale) && !errors.Is(err, fault.NotFound) {
		s.log.Error("state of VM not recorded", "vm", w.vmID, "state", stateOf(st), "error", err)
	}
}

// recordExit stores how a start ended. A record of another start, or one that
// is gone, is left alone.
func (s *Service) recordExit(ctx context.Context, vmID, startID string, exit Exit) error {
	exit = s.orSuspended(ctx, vmID, exit)
	_, err := s.update(ctx, vmID, func(v *VM) error {
		if v.StartID != startID {
			return errStale
		}
		v.State = stateOf(Status{Phase: PhaseExited, Exit: exit})
		v.BootTimeline.reach(exit.Boot)
		v.ExitReason, v.ExitMessage, v.ExitHint = exit.Reason, exit.Message, exit.hint()
		v.StoppedAt = exit.At.UTC()
		if exit.At.IsZero() {
			v.StoppedAt = s.now()
		}
		return nil
	})
	if errors.Is(err, errStale) || errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// update writes a VM's record even when ctx has ended: what happened, happened.
func (s *Service) update(ctx context.Context, id string, change func(*VM) error) (VM, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), RecordTimeout)
	defer cancel()
	s.recording.Lock()
	defer s.recording.Unlock()
	v, err := s.deps.Store.Update(ctx, id, change)
	if err != nil {
		return v, err
	}
	s.pokeGroups(v.Labels[GroupLabel])
	if s.deps.Events != nil {
		s.deps.Events.VMChanged(v)
	}
	return v, nil
}

// insert adds a VM's record.
func (s *Service) insert(ctx context.Context, v VM) error {
	s.recording.Lock()
	defer s.recording.Unlock()
	err := s.deps.Store.Insert(ctx, v)
	if err == nil && s.deps.Events != nil {
		s.deps.Events.VMCreated(v)
	}
	return err
}

// forget removes a VM's record.
func (s *Service) forget(ctx context.Context, id string) error {
	s.recording.Lock()
	defer s.recording.Unlock()
	v, known := s.byID(ctx, id)
	err := s.deps.Store.Delete(ctx, id)
	if err == nil && known == nil && s.deps.Events != nil {
		s.deps.Events.VMDeleted(v)
	}
	return err
}
