package monitor

import (
	"context"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

// rig is a supervisor in a synctest bubble, with fakes around it.
type rig struct {
	*supervisor
	t        *testing.T
	machines []*vmmtest.Machine
	ports    *fakePorts
	network  fakeConnections
	stored   []string      // the machines that were suspended
	full     error         // why none can be stored
	storing  chan struct{} // holds up the end of a suspension; nil: nothing does
	cancel   context.CancelFunc
	exited   chan vm.Exit
}

const readyLimit = time.Minute

func newRig(t *testing.T, ignores ...syscall.Signal) *rig {
	r := &rig{t: t, ports: &fakePorts{}, exited: make(chan vm.Exit, 1)}
	status := monitorrpc.Status{Phase: monitorrpc.PhaseBooting}
	r.supervisor = &supervisor{
		spec: vm.Spec{StartID: "start", ReadyTimeoutMillis: readyLimit.Milliseconds(), Guest: vm.Guest{Hostname: "h", Reset: true}},
		start: func(context.Context) (vmm.Machine, error) {
			m := vmmtest.NewMachine(ignores...)
			r.machines = append(r.machines, m)
			return m, nil
		},
		entropy: entropy,
		cpu:     func(int) time.Duration { return time.Hour },
		console: func(int) string { return "Kernel panic" },
		ports:   r.ports,
		network: &r.network,
		suspend: r.store,
		board:   newBoard(status), status: status, log: slog.New(slog.DiscardHandler),
		requests: make(chan func()), agents: make(chan agentInput), done: make(chan struct{}),
	}
	return r
}

func (r *rig) run() *rig {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel = cancel
	go func() { r.exited <- r.supervisor.run(ctx, func() {}) }()
	synctest.Wait()
	return r
}

func (r *rig) last() *vmmtest.Machine { return r.machines[len(r.machines)-1] }

func (r *rig) now() monitorrpc.Status {
	synctest.Wait()
	s, _ := r.board.now()
	return s
}

// hello connects an agent.
func (r *rig) hello(configured bool) *agentConn {
	ours, theirs := net.Pipe()
	r.t.Cleanup(func() { _ = theirs.Close() })
	a := &agentConn{conn: ours, out: make(chan agentrpc.HostMessage, sendQueue)}
	r.say(a, agentrpc.GuestMessage{Hello: &agentrpc.Hello{Protocol: agentrpc.Version, Build: "b", Configured: configured}})
	return a
}

func (r *rig) say(a *agentConn, m agentrpc.GuestMessage) {
	r.agents <- agentInput{a, &m}
	synctest.Wait()
}

func (r *rig) beReady() *agentConn {
	return r.beReadyAs(agentrpc.Ready{Init: "agent"})
}

// beReadyAs has an agent connect, be configured, and say this, with what Ready echoes.
func (r *rig) beReadyAs(ready agentrpc.Ready) *agentConn {
	a := r.hello(false)
	ready.Generation = (<-a.out).Configure.Generation
	r.say(a, agentrpc.GuestMessage{Ready: &ready})
	return a
}

func (r *rig) askStop(d time.Duration) {
	r.t.Helper()
	if err := r.stopNow(r.t.Context(), d); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

func (r *rig) wantExit(reason string, failed bool) vm.Exit {
	r.t.Helper()
	e := <-r.exited
	if e.Reason != reason || e.Failed != failed {
		r.t.Errorf("exit is %+v; want reason %s, failed %v", e, reason, failed)
	}
	return e
}

func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
