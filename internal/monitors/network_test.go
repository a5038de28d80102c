package monitors

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// networkMonitor answers these paths, and notes what it was sent.
type networkMonitor struct {
	mu      sync.Mutex
	answers map[string]any
	got     []string
}

func (n *networkMonitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, r.URL.Path+" "+string(data))
	answer, ok := n.answers[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if p, ok := answer.(fault.Problem); ok {
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(p)
		return
	}
	if text, ok := answer.(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func networkMachine(t *testing.T, answers map[string]any) (*Machine, *networkMonitor, statedir.VM) {
	t.Helper()
	_, dir := newLauncher(t, "")
	monitor := &networkMonitor{answers: answers}
	fakeMonitor(t, dir, monitor.ServeHTTP)
	return &Machine{dir: dir}, monitor, dir
}

func TestNetworkOrders(t *testing.T) {
	m, monitor, dir := networkMachine(t, map[string]any{
		monitorrpc.PathEgress: struct{}{}, monitorrpc.PathNeighbours: struct{}{}, monitorrpc.PathForwardRemove: struct{}{},
		monitorrpc.PathForwards: monitorrpc.Forward{Proto: "tcp", Host: "127.0.0.1:4000", Guest: "80"},
	})
	if err := m.SetEgress(t.Context(), "none"); err != nil {
		t.Error(err)
	}
	neighbours := []vm.Neighbour{{VMID: "b", Name: "db", Address4: netip.MustParseAddr("198.18.1.2"), Address6: netip.MustParseAddr("fd62::1")}}
	if err := m.SetNeighbours(t.Context(), neighbours); err != nil {
		t.Error(err)
	}
	made, err := m.AddForward(t.Context(), vm.Forward{Proto: "tcp", Host: "127.0.0.1:0", Guest: "80"})
	if err != nil || made.Host != "127.0.0.1:4000" {
		t.Errorf("AddForward gave %+v, %v", made, err)
	}
	if err := m.RemoveForward(t.Context(), made); err != nil {
		t.Error(err)
	}
	socket := strings.Replace(dir.NeighbourSocket(), testID, "b", 1)
	want := []string{
		`/v1/egress {"policy":"none"}`,
		`/v1/neighbours {"neighbours":[{"vm_id":"b","name":"db","address4":"198.18.1.2","address6":"fd62::1","socket":"` + socket + `"}]}`,
		`/v1/forwards {"proto":"tcp","host":"127.0.0.1:0","guest":"80"}`,
		`/v1/forwards/remove {"proto":"tcp","host":"127.0.0.1:4000","guest":"80"}`,
	}
	if diff := cmp.Diff(want, monitor.got); diff != "" {
		t.Errorf("the monitor got (-want +got):\n%s", diff)
	}
}

func TestNetworkQuestions(t *testing.T) {
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	port := monitorrpc.Port{
		Proto: "tcp", GuestAddress: []string{"::"}, GuestPort: 80, HostAddress: "127.1.2.3", HostPort: 20080, Problem: "p",
		Source: monitorrpc.SourceAuto, Listening: true, Scheme: "http", PID: 7, Process: "nginx", Command: "nginx -g",
	}
	m, _, _ := networkMachine(t, map[string]any{
		monitorrpc.PathPorts: monitorrpc.Ports{Ports: []monitorrpc.Port{port}, Forwards: []monitorrpc.Forward{{Proto: "unix", Host: "/h", Guest: "/g"}}},
		monitorrpc.PathStats: monitorrpc.Stats{
			At: at, CPUNanos: 5, VCPU: 2, HostMemoryBytes: 3, MonitorBytes: 4, DiskReadBytes: 6, DiskWriteBytes: 7,
			NetInBytes: 8, NetOutBytes: 9, Flows: 10, FlowsDenied: 11,
		},
	})
	wantPorts := vm.Ports{Ports: []vm.Port{{
		Proto: "tcp", GuestAddress: []string{"::"}, GuestPort: 80, HostAddress: "127.1.2.3", HostPort: 20080, Problem: "p",
		Source: "auto", Listening: true, Scheme: "http", PID: 7, Process: "nginx", Command: "nginx -g",
	}}, Forwards: []vm.Forward{{Proto: "unix", Host: "/h", Guest: "/g"}}}
	ports, err := m.Ports(t.Context())
	if diff := cmp.Diff(wantPorts, ports, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("Ports: %v (-want +got):\n%s", err, diff)
	}
	wantStats := vm.Stats{
		At: at, CPU: 5, VCPU: 2, HostMemoryBytes: 3, MonitorBytes: 4, DiskReadBytes: 6, DiskWriteBytes: 7,
		NetInBytes: 8, NetOutBytes: 9, Flows: 10, FlowsDenied: 11,
	}
	stats, err := m.Stats(t.Context())
	if diff := cmp.Diff(wantStats, stats); err != nil || diff != "" {
		t.Errorf("Stats: %v (-want +got):\n%s", err, diff)
	}
}

func TestAMonitorThatDoesNotKnowTheNetwork(t *testing.T) {
	m, _, _ := networkMachine(t, map[string]any{})
	_, portsErr := m.Ports(t.Context())
	_, statsErr := m.Stats(t.Context())
	_, forwardErr := m.AddForward(t.Context(), vm.Forward{})
	for _, err := range []error{portsErr, statsErr, forwardErr, m.SetEgress(t.Context(), "all"), m.SetNeighbours(t.Context(), nil)} {
		if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "older build") {
			t.Errorf("got %v", err)
		}
	}
}

func TestNetworkAnswersAreBounded(t *testing.T) {
	many := monitorrpc.Ports{Ports: make([]monitorrpc.Port, monitorrpc.MaxPorts+1)}
	m, monitor, _ := networkMachine(t, map[string]any{
		monitorrpc.PathPorts: many, monitorrpc.PathStats: strings.Repeat("x", 100),
		monitorrpc.PathForwardRemove: fault.Problem{Code: string(fault.NotFound), Message: "no such forward", Hint: "h"},
	})
	if ports, err := m.Ports(t.Context()); fault.CodeOf(err) != fault.Internal {
		t.Errorf("%d ports, %v", len(ports.Ports), err)
	}
	if _, err := m.Stats(t.Context()); fault.CodeOf(err) != fault.Internal {
		t.Errorf("nonsense gave %v", err)
	}
	if err := m.RemoveForward(t.Context(), vm.Forward{}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a monitor's own not found gave %v", err)
	}
	monitor.mu.Lock()
	monitor.answers[monitorrpc.PathPorts] = `{"ports":[` + strings.Repeat(" ", maxLargeAnswer) + `]}`
	monitor.mu.Unlock()
	if _, err := m.Ports(t.Context()); fault.CodeOf(err) != fault.Internal || !strings.Contains(err.Error(), "more than") {
		t.Errorf("an endless answer gave %v", err)
	}
}
