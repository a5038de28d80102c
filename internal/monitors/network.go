package monitors

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// maxLargeAnswer bounds an answer that may have all ports of a guest, in bytes.
	maxLargeAnswer = 4 << 20
	// forwardLimit bounds the making of a forward.
	forwardLimit = 10 * time.Second
)

// SetEgress implements vm.NetworkMachine. What a monitor does not take is of a later build's
// language: this one has read it.
func (m *Machine) SetEgress(ctx context.Context, policy string) error {
	err := m.order(ctx, monitorrpc.PathEgress, monitorrpc.EgressRequest{Policy: policy})
	if errors.Is(err, fault.Invalid) {
		return older()
	}
	return err
}

// SetNeighbours implements vm.NetworkMachine.
func (m *Machine) SetNeighbours(ctx context.Context, all []vm.Neighbour) error {
	req := monitorrpc.NeighboursRequest{Neighbours: make([]monitorrpc.Neighbour, 0, len(all))}
	for _, n := range all {
		req.Neighbours = append(req.Neighbours, monitorrpc.Neighbour{
			VMID: n.VMID, Name: n.Name, Address4: n.Address4.String(), Address6: n.Address6.String(),
			Socket: m.dir.Beside(n.VMID).NeighbourSocket(),
		})
	}
	return m.order(ctx, monitorrpc.PathNeighbours, req)
}

// Stats implements vm.NetworkMachine.
func (m *Machine) Stats(ctx context.Context) (vm.Stats, error) {
	s, err := ask[monitorrpc.Stats](ctx, m, http.MethodGet, monitorrpc.PathStats, nil, askLimit)
	return vm.Stats{
		At: s.At, CPU: time.Duration(s.CPUNanos), VCPU: s.VCPU, HostMemoryBytes: s.HostMemoryBytes, MonitorBytes: s.MonitorBytes,
		DiskReadBytes: s.DiskReadBytes, DiskWriteBytes: s.DiskWriteBytes,
		NetInBytes: s.NetInBytes, NetOutBytes: s.NetOutBytes, Flows: s.Flows, FlowsDenied: s.FlowsDenied,
		Devices: (*vm.Devices)(s.Devices),
	}, err
}

// Ports implements vm.PortMachine.
func (m *Machine) Ports(ctx context.Context) (vm.Ports, error) {
	answer, err := ask[monitorrpc.Ports](ctx, m, http.MethodGet, monitorrpc.PathPorts, nil, askLimit)
	if err != nil {
		return vm.Ports{}, err
	}
	var out vm.Ports
	for _, p := range answer.Ports {
		out.Ports = append(out.Ports, vm.Port{
			Proto: p.Proto, GuestAddress: p.GuestAddress, GuestPort: p.GuestPort, HostAddress: p.HostAddress, HostPort: p.HostPort,
			Problem: p.Problem, Source: string(p.Source), Listening: p.Listening, Loopback: p.Loopback, Scheme: p.Scheme,
			PID: p.PID, Process: p.Process, Command: p.Command,
		})
	}
	for _, f := range answer.Forwards {
		out.Forwards = append(out.Forwards, vm.Forward(f))
	}
	return out, nil
}

// AddForward implements vm.PortMachine.
func (m *Machine) AddForward(ctx context.Context, f vm.Forward) (vm.Forward, error) {
	made, err := ask[monitorrpc.Forward](ctx, m, http.MethodPost, monitorrpc.PathForwards, monitorrpc.Forward(f), forwardLimit)
	return vm.Forward(made), err
}

// RemoveForward implements vm.PortMachine.
func (m *Machine) RemoveForward(ctx context.Context, f vm.Forward) error {
	return m.order(ctx, monitorrpc.PathForwardRemove, monitorrpc.Forward(f))
}

// ask does a request within limit and reads its answer.
func ask[T any](ctx context.Context, m *Machine, method, path string, body any, limit time.Duration) (T, error) {
	var answer T
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := m.request(ctx, method, path, body)
	if err != nil {
		return answer, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxLargeAnswer+1))
	if err != nil {
		return answer, m.unreachable(err)
	}
	if len(data) > maxLargeAnswer {
		return answer, fault.New(fault.Internal, "the VM's monitor answered more than %d bytes", maxLargeAnswer)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return answer, fault.Wrap(fault.Internal, err, "cannot understand the VM's monitor")
	}
	return answer, nil
}

// older is the fault of a monitor that does not know a request. The hint is for
// those who know the VM's name.
func older() error {
	return fault.New(fault.Conflict, "its monitor is of an older build, which cannot do this")
}
