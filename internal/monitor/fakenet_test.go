package monitor

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/netstack"
	"github.com/bangervm/banger/internal/vm"
)

// fakePorts is a port table that only remembers.
type fakePorts struct {
	mu       sync.Mutex
	heard    []agentrpc.Listening
	resets   int
	forwards []monitorrpc.Forward
}

func (f *fakePorts) Listening(l agentrpc.Listening) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = append(f.heard, l)
}

func (f *fakePorts) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resets++
}

func (f *fakePorts) Close() {}

func (f *fakePorts) Ports(context.Context) monitorrpc.Ports {
	f.mu.Lock()
	defer f.mu.Unlock()
	return monitorrpc.Ports{Ports: []monitorrpc.Port{}, Forwards: f.forwards}
}

func (f *fakePorts) Forward(w monitorrpc.Forward) (monitorrpc.Forward, error) {
	if w.Host == "taken" {
		return w, fault.New(fault.Conflict, "taken")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Host = "made"
	f.forwards = append(f.forwards, w)
	return w, nil
}

func (f *fakePorts) Remove(w monitorrpc.Forward) error {
	if w.Host != "made" {
		return fault.New(fault.NotFound, "there is none")
	}
	return nil
}

// fakeCard is a guest's network card without a network.
type fakeCard struct {
	mu         sync.Mutex
	policy     string
	neighbours []netstack.Neighbour
	dialed     []string
	serving    chan struct{} // gets one for each neighbour's connection
	closed     bool
}

func newFakeCard() *fakeCard { return &fakeCard{serving: make(chan struct{}, 16)} }

func (f *fakeCard) DialGuest(_ context.Context, network string, port uint16) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialed = append(f.dialed, net.JoinHostPort(network, strconv.Itoa(int(port))))
	return nil, errors.New("nobody is there")
}

func (f *fakeCard) Attach(conn net.Conn) { _ = conn.Close() }

func (f *fakeCard) SetPolicy(p egress.Policy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.policy = p.String()
}

func (f *fakeCard) SetNeighbours(all []netstack.Neighbour) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.neighbours = all
}

// ServeNeighbour echoes until the connection or ctx ends.
func (f *fakeCard) ServeNeighbour(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	f.serving <- struct{}{}
	_, _ = io.Copy(conn, conn)
}

func (f *fakeCard) Counters() netstack.Counters {
	return netstack.Counters{InBytes: 1, OutBytes: 2, Flows: 3, Denied: 4}
}

func (f *fakeCard) Connections() []vm.Connection { return nil }

func (f *fakeCard) Lost([]vm.Connection) {}

func (f *fakeCard) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}
