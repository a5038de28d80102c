package monitor

import (
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// send queues a message for the agent, and reports whether there is one.
func (s *supervisor) send(m agentrpc.HostMessage) bool {
	if s.agent == nil {
		return false
	}
	select {
	case s.agent.out <- m:
		return true
	default:
		s.log.Warn("the agent does not read its control stream")
		return false
	}
}

func (s *supervisor) dropAgent() {
	if s.agent != nil {
		_ = s.agent.conn.Close()
	}
	s.agent = nil
	s.status.AgentOK = false
}

// onAgent handles one message of the guest.
func (s *supervisor) onAgent(in agentInput) {
	m := in.message
	switch {
	case m == nil:
		if in.from == s.agent {
			s.dropAgent()
		}
	case m.Hello != nil:
		s.onHello(in.from, *m.Hello)
	case in.from != s.agent: // of a stream that never said hello, or was replaced
	case m.Stage != nil:
		if s.status.Phase == monitorrpc.PhaseConfiguring {
			s.status.Stage = m.Stage.Name
		}
	case m.Ready != nil:
		s.onReady(*m.Ready)
	case m.Failed != nil:
		if !s.wasReady && s.failure == "" {
			s.failure = "the guest could not be set up, at stage " + m.Failed.Stage + ": " + m.Failed.Message
			s.setDeadline(failGrace)
		}
	case m.Listening != nil:
		s.ports.Listening(*m.Listening)
		s.board.portsChanged()
	case m.Entrypoint != nil:
		s.status.Entrypoint = entrypoint(*m.Entrypoint)
		if m.Entrypoint.State != agentrpc.EntrypointRunning {
			s.status.EntrypointHealth = nil
		}
	case m.EntrypointHealth != nil:
		s.status.EntrypointHealth = entrypointHealth(*m.EntrypointHealth)
	case m.GoingDown != nil:
		s.onGoingDown(m.GoingDown.Kind)
	}
}

// entrypoint is what a guest says of its image's program, as bangerd is told it.
func entrypoint(e agentrpc.Entrypoint) *monitorrpc.Entrypoint {
	return &monitorrpc.Entrypoint{State: string(e.State), Restarts: e.Restarts, ExitCode: e.ExitCode, Error: e.Error, Since: e.Since.UTC()}
}

// entrypointHealth is nil for a state that there is not.
func entrypointHealth(h agentrpc.EntrypointHealth) *monitorrpc.EntrypointHealth {
	switch h.State {
	case agentrpc.HealthStarting, agentrpc.HealthHealthy, agentrpc.HealthUnhealthy:
		return &monitorrpc.EntrypointHealth{State: string(h.State), Failures: h.Failures, ExitCode: h.ExitCode, Output: h.Output, Since: h.Since.UTC()}
	default:
		return nil
	}
}

func (s *supervisor) onHello(from *agentConn, h agentrpc.Hello) {
	if !s.hellos.Take() {
		s.log.Warn("the guest says hello too often; closing its stream")
		_ = from.conn.Close()
		return
	}
	if from != s.agent {
		s.dropAgent()
		s.agent = from
	}
	s.hello.Stop()
	s.restored = false
	s.protocol = h.Protocol
	s.status.AgentOK, s.status.Agent = true, h.Build
	if h.Protocol < agentrpc.MinVersion || h.Protocol > agentrpc.Version {
		s.log.Error("the agent speaks another protocol", "its", h.Protocol, "ours", agentrpc.Version)
		if !s.wasReady {
			s.failure = "the guest's agent speaks a protocol that this build does not support"
			s.endHard()
		}
		return
	}
	switch {
	case s.stopping: // it was asked on a stream that is gone, or not at all
		s.send(agentrpc.HostMessage{Shutdown: &agentrpc.Shutdown{Kind: agentrpc.DownPoweroff}})
	case h.Configured && s.resuming:
		s.reach(&s.status.Boot.Connected)
		s.comeBack()
	case h.Configured && s.wasReady:
		s.announced = false
		s.status.Phase = monitorrpc.PhaseReady
		s.send(agentrpc.HostMessage{SetClock: &agentrpc.SetClock{UnixNano: time.Now().UnixNano()}})
	case h.Configured: // what it had still to say comes next
		s.status.Phase = monitorrpc.PhaseConfiguring
	case s.wasReady:
		s.log.Warn("an agent that says it was never configured")
	default:
		s.reach(&s.status.Boot.Connected)
		s.configure()
	}
}

func (s *supervisor) configure() {
	s.status.Phase = monitorrpc.PhaseConfiguring
	entropy, err := s.entropy()
	if err != nil {
		s.log.Error("no entropy for the guest", "err", err)
		s.failure = "cannot get entropy from the host: " + err.Error()
		s.endHard()
		return
	}
	if s.configured == 0 {
		s.configured = s.status.Boots
	}
	c, err := configure(s.spec, s.machine.DiskSerial, s.status.Boots-s.configured+1, time.Now().UnixNano(), entropy)
	if err != nil {
		s.failure = err.Error()
		s.endHard()
		return
	}
	c.EndsByReset, c.Generation = s.machine.EndsByReset(), s.generation
	s.send(agentrpc.HostMessage{Configure: &c})
}

// confirmingProtocol is the first in which Ready echoes the generation.
const confirmingProtocol = 2

func (s *supervisor) onReady(r agentrpc.Ready) {
	if s.protocol >= confirmingProtocol && r.Generation != s.generation {
		if s.resuming { // what it says before it is told
			return
		}
		s.log.Warn("the guest is ready as another machine than this one", "its", r.Generation, "ours", s.generation)
		return
	}
	s.status.Init, s.status.Notes = r.Init, r.Notes
	if s.wasReady {
		return
	}
	s.wasReady, s.resuming = true, false
	s.reachReady(time.Duration(r.ConfiguredMicros) * time.Microsecond)
	s.ready.Stop()
	s.status.ReadyAt = time.Now().UTC()
	s.status.Stage = ""
	if !s.stopping {
		s.status.Phase = monitorrpc.PhaseReady
	}
	s.log.Info("ready", "init", r.Init, "boot_id", r.BootID, "boot", s.status.Boots, "after", time.Since(s.status.StartedAt).String(), "notes", r.Notes)
}
