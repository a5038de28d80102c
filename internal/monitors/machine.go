package monitors

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// askLimit bounds a question that a monitor answers from memory.
	askLimit = 5 * time.Second
	// orderLimit bounds what the VMM has a part in.
	orderLimit = 30 * time.Second
	// suspendLimit bounds the writing of a whole machine.
	suspendLimit = 15 * time.Minute
	// maxAnswer bounds one answer or event of a monitor, in bytes; maxHead the head
	// of an answer.
	maxAnswer = monitorrpc.MaxAnswer
	maxHead   = 16 << 10
)

// Machine is a VM's living monitor. It holds no connection between calls.
type Machine struct {
	dir     statedir.VM
	startID string
}

var _ vm.Machine = (*Machine)(nil)

// Events implements vm.Machine.
func (m *Machine) Events(ctx context.Context) (<-chan vm.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	resp, err := m.request(ctx, http.MethodGet, monitorrpc.PathEvents, nil) //nolint:bodyclose // the goroutine below closes it
	if err != nil {
		cancel()
		return nil, err
	}
	events := make(chan vm.Status)
	go func() {
		defer close(events)
		defer cancel()
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(make([]byte, 0, 4096), maxAnswer)
		for lines.Scan() {
			status, err := m.understand(lines.Bytes())
			if err != nil {
				return
			}
			select {
			case events <- status:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

// Pause implements vm.Machine.
func (m *Machine) Pause(ctx context.Context) error {
	return m.order(ctx, monitorrpc.PathPause, struct{}{})
}

// Resume implements vm.Machine.
func (m *Machine) Resume(ctx context.Context) error {
	return m.order(ctx, monitorrpc.PathResume, struct{}{})
}

// Suspend implements vm.Machine.
func (m *Machine) Suspend(ctx context.Context) error {
	return m.orderWithin(ctx, suspendLimit, monitorrpc.PathSuspend, struct{}{})
}

// Stop implements vm.Machine.
func (m *Machine) Stop(ctx context.Context, timeout time.Duration) error {
	return m.orderWithin(ctx, askLimit, monitorrpc.PathStop, monitorrpc.StopRequest{TimeoutMillis: timeout.Milliseconds()})
}

// Kill implements vm.Machine.
func (m *Machine) Kill(ctx context.Context, signal int) error {
	return m.orderWithin(ctx, askLimit, monitorrpc.PathKill, monitorrpc.KillRequest{Signal: signal})
}

func (m *Machine) status(ctx context.Context) (vm.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	resp, err := m.request(ctx, http.MethodGet, monitorrpc.PathStatus, nil)
	if err != nil {
		return vm.Status{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return vm.Status{}, m.unreachable(err)
	}
	return m.understand(data)
}

// understand reads a status, and refuses a protocol that this build does not
// speak and a monitor of another start.
func (m *Machine) understand(data []byte) (vm.Status, error) {
	var s monitorrpc.Status
	if err := json.Unmarshal(data, &s); err != nil {
		return vm.Status{}, fault.Wrap(fault.Internal, err, "cannot understand the VM's monitor")
	}
	if s.Protocol < monitorrpc.MinVersion || s.Protocol > monitorrpc.Version {
		return vm.Status{}, fault.New(fault.Unavailable, "the VM's monitor (build %s) speaks protocol %d, this bangerd %d to %d",
			s.Build, s.Protocol, monitorrpc.MinVersion, monitorrpc.Version).
			WithHint("use the bangerd that started the VM, or stop the VM with `kill %d`", s.PID)
	}
	if m.startID != "" && s.StartID != m.startID {
		return vm.Status{}, gone()
	}
	return domainStatus(s), nil
}

func bootOf(t monitorrpc.BootTimeline) vm.BootTimeline {
	return vm.BootTimeline{
		How: vm.BootKind(t.How), Driver: t.Driver, Template: t.Template, NotRestored: t.NotRestored,
		Monitor: t.Monitor, VMM: t.VMM, Connected: t.Connected, Configured: t.Configured, Ready: t.Ready,
	}
}

func domainStatus(s monitorrpc.Status) vm.Status {
	out := vm.Status{
		Entrypoint:       (*vm.Entrypoint)(s.Entrypoint),
		EntrypointHealth: (*vm.EntrypointHealth)(s.EntrypointHealth),
		StartID:          s.StartID, Driver: s.Driver, Build: s.Build, MonitorPID: s.PID, VMMPID: s.VMMPID,
		Phase: vm.Phase(s.Phase), Paused: s.Paused, Stage: s.Stage, Init: s.Init,
		AgentOK: s.AgentOK, Agent: s.Agent, Boots: s.Boots, Warning: s.Warning,
		PortsChanged: s.PortsChanged,
		Boot:         bootOf(s.Boot),
		ReadyAt:      s.ReadyAt, Notes: s.Notes, Confinement: s.Confinement, MonitorConfinement: s.MonitorConfinement,
	}
	for _, n := range s.EgressNews {
		out.EgressNews = append(out.EgressNews, vm.EgressNews{N: n.N, EgressRecord: vm.EgressRecord{
			At: n.Record.At, Event: n.Record.Event, Protocol: n.Record.Protocol, Name: n.Record.Name, Said: n.Record.Said,
			Address: n.Record.Address, Port: n.Record.Port, Rule: n.Record.Rule, Reason: n.Record.Reason, Process: n.Record.Process,
		}})
	}
	if s.Phase == monitorrpc.PhaseExited {
		out.Exit = vm.Exit{
			Format: vm.ExitFormat, StartID: s.StartID, Reason: s.ExitReason, Message: s.ExitMessage,
			Failed: s.ExitFailed, Problem: s.ExitProblem, Boots: s.Boots, At: s.ExitedAt, Boot: out.Boot,
		}
	}
	return out
}

func (m *Machine) order(ctx context.Context, path string, body any) error {
	return m.orderWithin(ctx, orderLimit, path, body)
}

func (m *Machine) orderWithin(ctx context.Context, limit time.Duration, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := m.request(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// request sends one request over its own connection. A 2xx answer's body
// is the caller's to close; any other answer becomes its fault.
func (m *Machine) request(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://monitor"+path, payload)
	if err != nil {
		return nil, err
	}
	answerIn := orderLimit
	if path == monitorrpc.PathSuspend {
		answerIn = suspendLimit
	}
	transport := &http.Transport{
		DisableKeepAlives:      true,
		ResponseHeaderTimeout:  answerIn,
		MaxResponseHeaderBytes: maxHead,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return statedir.DialUnix(ctx, m.dir.MonitorSocket())
		},
	}
	resp, err := transport.RoundTrip(req)
	if errors.Is(err, context.DeadlineExceeded) {
		if stopped := m.stopped(context.WithoutCancel(ctx)); stopped != nil { // more than that it was slow
			return nil, stopped
		}
	}
	if err != nil {
		return nil, m.unreachable(err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	var p fault.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&p); err != nil || p.Code == "" {
		if resp.StatusCode == http.StatusNotFound {
			return nil, older()
		}
		return nil, fault.New(fault.Internal, "the VM's monitor answered %s", resp.Status)
	}
	return nil, p.Fault()
}

// unreachable makes the fault of a monitor that did not answer.
func (m *Machine) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("ask the VM's monitor: %w", err)
	}
	return fault.Wrap(fault.Unavailable, err, "the VM's monitor does not answer").
		WithHint("to delete the VM without it: %s", act.VMDelete.On(m.dir.ID(), act.Force))
}

func gone() error { return fault.New(fault.Unavailable, "the VM has ended") }
