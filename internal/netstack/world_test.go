package netstack

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

// networkOfVM is the virtual network of the VM with an index.
func networkOfVM(index uint32) vm.Network {
	guest := netip.AddrFrom4([4]byte{198, 18 + byte(index>>16), byte(index >> 8), byte(index)})
	return vm.Network{
		MAC: fmt.Sprintf("52:54:00:%02x:%02x:%02x", byte(index>>16), byte(index>>8), byte(index)), MTU: 65520,
		Guest4: guest.String() + "/15", Guest6: fmt.Sprintf("fd62:616e:6765:7200::%x/64", index),
		Gateway4: "198.18.0.1", Gateway6: "fd62:616e:6765:7200::1",
		Host4: "198.18.0.2", Host6: "fd62:616e:6765:7200::2",
	}
}

// world is what the network under test reaches: a dialer that leads public
// addresses to servers on the loopback, and notes all that reaches it.
type world struct {
	mu      sync.Mutex
	leads   map[string]string         // "network address" → address on the loopback
	holes   func(address string) bool // nobody answers there; set before anything is dialled
	reached []string
	records []monitorrpc.Record
	changed chan struct{}
}

func newWorld() *world { return &world{leads: map[string]string{}, changed: make(chan struct{})} }

func (w *world) lead(network, address, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leads[network+" "+address] = to
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.reached = append(w.reached, network+" "+address)
	to, ok := w.leads[network+" "+address]
	w.mu.Unlock()
	if w.holes != nil && w.holes(address) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if host, _, err := net.SplitHostPort(address); !ok && err == nil && netip.MustParseAddr(host).IsLoopback() {
		to, ok = address, true
	}
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", unix.ECONNREFUSED)}
	}
	return (&net.Dialer{}).DialContext(ctx, network, to)
}

func (w *world) dialled() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.reached)
}

func (w *world) log(r monitorrpc.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, r)
	close(w.changed)
	w.changed = make(chan struct{})
}

// record waits for a record that is like want says.
func (w *world) record(t *testing.T, want func(monitorrpc.Record) bool) monitorrpc.Record {
	t.Helper()
	limit := time.After(patience)
	for {
		w.mu.Lock()
		changed, at := w.changed, slices.IndexFunc(w.records, want)
		var found monitorrpc.Record
		if at >= 0 {
			found = w.records[at]
		}
		all := slices.Clone(w.records)
		w.mu.Unlock()
		if at >= 0 {
			return found
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("no such record among %+v", all)
		}
	}
}

// closed waits for so many records of ends.
func (w *world) closed(t *testing.T, count int) {
	t.Helper()
	w.record(t, func(monitorrpc.Record) bool { // under the lock
		ends := 0
		for _, r := range w.records {
			if r.Event == "close" {
				ends++
			}
		}
		return ends >= count
	})
}

// listenTCP serves connections on a loopback address until the test's end.
func listenTCP(t *testing.T, address string, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	serveAll(t, l, serve)
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// serveAll serves each connection in a goroutine, until the test's end.
func serveAll(t *testing.T, l net.Listener, serve func(net.Conn)) {
	t.Helper()
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			tasks.Go(func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		tasks.Wait()
	})
}

// echoAll sends back what comes, and then its end.
func echoAll(conn net.Conn) { _, _ = io.Copy(conn, conn) }
