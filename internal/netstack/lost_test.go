package netstack

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/vm"
)

// resume puts the guest on another network, as a monitor makes it for a resumed machine. The guest sees
// nothing of that.
func (m *machine) resume(t *testing.T) {
	t.Helper()
	n, err := newNetwork(Config{Network: networkOfVM(256), VMID: "id", Name: "vm", Policy: parsed(t, "all")}, m.world.dial)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := wirePair(t)
	m.raw.Lock()
	before := m.conn
	m.conn = theirs
	m.raw.Unlock()
	_ = before.Close()
	m.net = n
	n.Attach(ours)
	var tasks sync.WaitGroup
	tasks.Go(func() { m.receive(m.card, theirs) })
	t.Cleanup(func() {
		_ = theirs.Close()
		tasks.Wait()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAResumedGuestLearnsThatItsConnectionsAreGone(t *testing.T) {
	m := boot(t, "all")
	m.atOutside(t, echoAll)
	four, six := m.mustDial(t, outside4), m.mustDial(t, outside6)
	for _, c := range []net.Conn{four, six} {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	all := m.net.Connections()
	if len(all) != 2 || !slices.ContainsFunc(all, func(c vm.Connection) bool { return c.Peer == outside4 && c.Guest == four.LocalAddr().String() }) {
		t.Fatalf("the connections are %v", all)
	}
	m.resume(t)
	_ = four.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := four.Read(make([]byte, 1)); !isTimeout(err) {
		t.Fatalf("before it is told, the guest reads %v", err)
	}
	nonsense := []vm.Connection{{}, {Guest: "127.0.0.1:1", Peer: outside4}, {Guest: four.LocalAddr().String(), Peer: "[::1]:80"}}
	m.net.Lost(append(nonsense, all...))
	for _, c := range []net.Conn{four, six} {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "reset") {
			t.Errorf("the guest reads %v", err)
		}
	}
}
