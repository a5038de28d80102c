package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// writeExit records how the start ended: staged, made durable, then renamed.
func writeExit(dir statedir.VM, exit vm.Exit) error {
	data, err := json.MarshalIndent(exit, "", "  ")
	if err != nil {
		return err
	}
	staging := dir.Exit() + statedir.StagingSuffix
	f, err := os.OpenFile(staging, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("record the end: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(staging, dir.Exit())
	}
	if err != nil {
		return fmt.Errorf("record the end: %w", errors.Join(err, os.Remove(staging)))
	}
	return nil
}

func (s *supervisor) exit(reason, message string, failed bool) vm.Exit {
	return vm.Exit{
		Format:  vm.ExitFormat,
		StartID: s.spec.StartID,
		Reason:  reason,
		Message: message,
		Failed:  failed,
		Boots:   s.status.Boots,
		At:      time.Now().UTC(),
		Boot:    bootOf(s.status.Boot),
	}
}

// notStarted is the end of a start whose VMM did not come up.
func (s *supervisor) notStarted(err error) vm.Exit {
	if _, known := errors.AsType[*fault.Error](err); !known {
		err = fault.Wrap(fault.Unavailable, err, "")
	}
	problem := fault.ProblemOf(err)
	exit := s.exit(vm.ReasonStartFailed, problem.Message, true)
	exit.Problem = &problem
	return exit
}

// showExit is the monitor's last word on the board.
func (s *supervisor) showExit(e vm.Exit) {
	s.status.Phase = monitorrpc.PhaseExited
	s.status.VMMPID, s.status.AgentOK, s.status.Paused = 0, false, false
	s.status.ExitReason, s.status.ExitMessage, s.status.ExitFailed = e.Reason, e.Message, e.Failed
	s.status.ExitProblem, s.status.ExitedAt = e.Problem, e.At
	s.publish()
}
