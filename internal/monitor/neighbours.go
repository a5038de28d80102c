package monitor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/netstack"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	// maxNeighbours bounds the VMs of one group, maxNeighbourConns their
	// connections to one of them at once.
	maxNeighbours     = 4096
	maxNeighbourConns = 1024
)

// neighbourServer serves one connection of a neighbour's monitor, until it or
// ctx ends.
type neighbourServer interface {
	ServeNeighbour(ctx context.Context, conn net.Conn)
}

// neighbourSocket is where the monitors of VMs of the same group connect.
type neighbourSocket struct {
	listener *statedir.Listener
	cancel   context.CancelFunc
	conns    sync.WaitGroup
}

// listenNeighbours listens in the run directory, and lets in processes of this
// user only; who of them is a neighbour, the server knows.
func listenNeighbours(to neighbourServer, log *slog.Logger) (*neighbourSocket, error) {
	listener, err := statedir.ListenUnix(neighbourSocketName)
	if err != nil {
		return nil, err
	}
	listener.Refuses = startedHere
	ctx, cancel := context.WithCancel(context.Background())
	s := &neighbourSocket{listener: listener, cancel: cancel}
	s.conns.Go(func() { s.accept(ctx, watched(listener, log), to, log) })
	return s, nil
}

func (s *neighbourSocket) accept(ctx context.Context, from net.Listener, to neighbourServer, log *slog.Logger) {
	slots := make(chan struct{}, maxNeighbourConns)
	for {
		conn, err := acceptNext(ctx, from, log)
		if err != nil {
			return
		}
		select {
		case slots <- struct{}{}:
			s.conns.Go(func() {
				defer func() { <-slots }()
				defer func() { _ = conn.Close() }()
				to.ServeNeighbour(ctx, conn)
			})
		default:
			_ = conn.Close() // there are enough of them
		}
	}
}

func (s *neighbourSocket) close() {
	s.cancel()
	_ = s.listener.Close()
	_ = os.Remove(neighbourSocketName) // the monitor's last sweep finds it, if not this
	s.conns.Wait()
}

// neighboursOf checks what bangerd says of the others.
func neighboursOf(req monitorrpc.NeighboursRequest) ([]netstack.Neighbour, error) {
	if len(req.Neighbours) > maxNeighbours {
		return nil, fault.New(fault.Invalid, "%d neighbours are more than %d", len(req.Neighbours), maxNeighbours)
	}
	all := make([]netstack.Neighbour, 0, len(req.Neighbours))
	for _, n := range req.Neighbours {
		four, err4 := netip.ParseAddr(n.Address4)
		six, err6 := netip.ParseAddr(n.Address6)
		if err := errors.Join(err4, err6); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "neighbour %q", n.Name)
		}
		if n.VMID == "" || n.Name == "" || !four.Is4() || !six.Is6() || !filepath.IsAbs(n.Socket) {
			return nil, fault.New(fault.Invalid, "neighbour %q has id %q, addresses %s and %s and socket %q", n.Name, n.VMID, four, six, n.Socket)
		}
		all = append(all, netstack.Neighbour{VMID: n.VMID, Name: n.Name, Address4: four, Address6: six, Socket: n.Socket})
	}
	return all, nil
}
