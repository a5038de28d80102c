package monitor

import (
	"context"
	"log/slog"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	// termGrace is how long a VMM may take over SIGTERM, before SIGKILL.
	termGrace = 3 * time.Second
	// failGrace is how long a guest whose agent failed may take to power off.
	failGrace = 10 * time.Second
	// ownEndGrace is how long the guest may take when the monitor is told to end.
	ownEndGrace = 20 * time.Second
	// maxResets in resetWindow: more of them and the guest only loops.
	maxResets   = 8
	resetWindow = 2 * time.Minute
	// maxHellos in a burst, then one each helloPause: a guest's agent says it once
	// for each of its streams.
	maxHellos  = 20
	helloPause = 3 * time.Second
	// generationBytes is the length of a boot's generation, as random as a UUID.
	generationBytes = 16
	// consoleLines is how much of the console a failure quotes.
	consoleLines = 5
)

// errEnded says that the machine is gone.
var errEnded = fault.New(fault.Unavailable, "the VM has ended")

// guestPorts follows what listens in the guest. Both methods return soon.
type guestPorts interface {
	// Listening takes the guest's word, which nobody has checked yet.
	Listening(l agentrpc.Listening)
	// Reset says that the guest boots again.
	Reset()
}

// supervisor decides about one VM's machine. One goroutine, run, owns its
// fields; all else comes to it through its channels.
type supervisor struct {
	spec    vm.Spec
	start   starter
	restore starter // from a saved machine, once; nil: it boots
	// resume goes on from a suspended machine, the first time, and returns the connections that the
	// guest had; nil: the VM is not suspended.
	resume  resumer
	suspend suspender
	network guestNetwork
	entropy func() ([]byte, error)
	cpu     func(pid int) time.Duration // that a process has taken
	console func(lines int) string      // the last of the guest's console
	ports   guestPorts
	board   *board
	log     *slog.Logger

	requests chan func()
	agents   chan agentInput
	done     chan struct{} // closed when run has returned

	status  monitorrpc.Status
	began   time.Time // of the start, by this process's clock
	machine vmm.Machine
	agent   *agentConn
	hellos  *pace.Pace
	resets  []time.Time
	// configured is the number of the first boot that was given Configure.
	configured int
	hungBoots  int // that were reset for want of a Hello

	// Of the present boot.
	generation string // that the guest confirms
	protocol   int    // the agent's
	wasReady   bool
	announced  bool              // the guest said that it goes down
	goes       agentrpc.DownKind // how, if announced
	failure    string            // why the boot must end as failed: the agent's or the monitor's words
	notReady   bool
	looked     time.Duration // the CPU that the VMM had taken when it was looked at
	hung       bool          // it is being reset, since it never said hello
	restored   bool          // it goes on from a saved machine, and has said nothing yet
	resuming   bool          // it goes on where it was suspended, and is not ready yet
	lost       []vm.Connection

	// Of a suspension.
	suspending bool
	suspended  bool          // the machine is on disk
	thenStop   time.Duration // the way down that waits for the suspension's end; 0: none does

	// Of the end.
	stopping   bool
	forced     bool
	killed     int // the signal that bangerd asked for
	ready      *time.Timer
	hello      *time.Timer // then a boot counts as hung
	deadline   *time.Timer // then the machine is ended hard
	deadlineAt time.Time
	last       *time.Timer // then it gets SIGKILL
}

// run starts the machine and keeps it until it ends for good. up is called
// once, when the first VMM runs. Cancelling ctx asks the guest to go down.
func (s *supervisor) run(ctx context.Context, up func()) vm.Exit {
	defer close(s.done)
	s.beginTimeline()
	s.makeTimers()
	s.hellos = pace.New(maxHellos, helloPause)
	defer s.stopTimers(s.ready, s.hello, s.deadline, s.last)
	for {
		wasHung := s.hung
		s.boot()
		m, err := s.startMachine(context.WithoutCancel(ctx))
		if err != nil {
			return s.notStarted(err)
		}
		s.machine = m
		s.status.VMMPID, s.status.Confinement = m.PID(), m.Confinement()
		s.reach(&s.status.Boot.VMM)
		s.publish()
		if !wasHung { // else it has the rest of the time of the boot before
			s.ready.Reset(s.readyTimeout())
		}
		s.hello.Reset(s.helloLimit())
		if s.status.Boots == 1 {
			up()
		}
		ended := s.live(ctx)
		s.log.Info("the VMM ended", "cause", ended.Cause.String(), "detail", ended.Detail, "boot", s.status.Boots)
		if exit, over := s.judge(ended); over {
			return exit
		}
	}
}

// boot forgets what was true of the boot before.
func (s *supervisor) boot() {
	s.wasReady, s.announced, s.notReady, s.hung, s.failure = false, false, false, false, ""
	s.resuming, s.lost = false, nil
	s.looked = 0
	s.generation, s.protocol = ids.Hex(generationBytes), 0
	s.status.Boots++
	s.status.Phase = monitorrpc.PhaseBooting
	s.status.Paused, s.status.Warning = false, ""
	s.status.Stage, s.status.Init, s.status.ReadyAt, s.status.Notes = "", "", time.Time{}, nil
	s.status.Entrypoint, s.status.EntrypointHealth = nil, nil
	s.dropAgent()
	s.ports.Reset()
	s.publish()
}

// live serves one boot of the machine until its VMM has ended.
func (s *supervisor) live(ctx context.Context) vmm.Exit {
	told := ctx.Done()
	for {
		select {
		case e := <-s.machine.Events():
			if e.Kind == vmm.Exited {
				return e.Exit
			}
			s.onEvent(e)
		case do := <-s.requests:
			if exit := s.drain(); exit != nil {
				do()
				return *exit
			}
			do()
		case in := <-s.agents:
			s.onAgent(in)
		case <-s.ready.C:
			s.onReadyTimeout()
		case <-s.hello.C:
			s.onNoHello()
		case <-s.deadline.C:
			s.endHard()
		case <-s.last.C:
			s.signal(killSignal)
		case <-told:
			told = nil
			s.stopOwn(context.WithoutCancel(ctx))
		}
		s.publish()
	}
}

// drain handles the events that are there already, so that a request sees what
// its own command caused.
func (s *supervisor) drain() *vmm.Exit {
	for {
		select {
		case e := <-s.machine.Events():
			if e.Kind == vmm.Exited {
				return &e.Exit
			}
			s.onEvent(e)
		default:
			return nil
		}
	}
}

func (s *supervisor) publish() { s.board.show(s.status) }

// ask runs do in the supervisor's goroutine.
func (s *supervisor) ask(ctx context.Context, do func()) error {
	ran := make(chan struct{})
	select {
	case s.requests <- func() { do(); close(ran) }:
	case <-s.done:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	<-ran
	return nil
}

func (s *supervisor) onEvent(e vmm.Event) {
	switch e.Kind {
	case vmm.Paused:
		s.status.Paused = s.status.Paused || !s.suspending // while it is suspended it is as it was
	case vmm.Resumed:
		s.status.Paused, s.status.Warning = false, ""
		s.send(agentrpc.HostMessage{SetClock: &agentrpc.SetClock{UnixNano: time.Now().UnixNano()}})
	case vmm.IOError:
		s.status.Warning = e.Reason
		s.log.Warn("the VM cannot continue", "reason", e.Reason)
	case vmm.Exited: // live takes it
	}
}
