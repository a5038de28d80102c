package monitor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestPortsFollowTheGuest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		a := r.beReady()
		say := agentrpc.Listening{Sockets: []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80}}}
		r.say(a, agentrpc.GuestMessage{Listening: &say})
		stranger := &agentConn{}
		r.say(stranger, agentrpc.GuestMessage{Listening: &agentrpc.Listening{}})
		if len(r.ports.heard) != 1 || len(r.ports.heard[0].Sockets) != 1 || r.ports.resets != 1 {
			t.Errorf("the ports heard %+v and %d resets", r.ports.heard, r.ports.resets)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestReset})
		r.now()
		if r.ports.resets != 2 {
			t.Errorf("after a reboot there were %d resets", r.ports.resets)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonGuestFailed, true)
	})
}

func TestHTTPNetwork(t *testing.T) {
	s := serve(t)
	card := newFakeCard()
	s.net.card = card
	long := "default deny\n" + strings.Repeat("# padding\n", (egress.MaxText-100)/10) + "allow example.org"
	quoted, err := json.Marshal(monitorrpc.EgressRequest{Policy: long})
	if err != nil {
		t.Fatal(err)
	}
	neighbour := `{"vm_id":"id","name":"db","address4":"198.18.2.1","address6":"fd62:616e:6765:7200::201","socket":"/run/n.sock"}`
	for _, tt := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{http.MethodPost, monitorrpc.PathEgress, string(quoted), http.StatusOK, ""},
		{http.MethodPost, monitorrpc.PathEgress, `{"policy":"permit all"}`, http.StatusUnprocessableEntity, "permit"},
		{http.MethodPost, monitorrpc.PathEgress, `{"policy":"` + strings.Repeat(" ", maxPolicyBody) + `"}`, http.StatusUnprocessableEntity, ""},
		{http.MethodPost, monitorrpc.PathNeighbours, `{"neighbours":[` + neighbour + `]}`, http.StatusOK, ""},
		{http.MethodPost, monitorrpc.PathNeighbours, `{"neighbours":[{"name":"x"}]}`, http.StatusUnprocessableEntity, ""},
		{http.MethodPost, monitorrpc.PathNeighbours, strings.Replace(`{"neighbours":[`+neighbour+`]}`, "/run", "run", 1), http.StatusUnprocessableEntity, "run/n.sock"},
		{http.MethodGet, monitorrpc.PathPorts, "", http.StatusOK, `{"ports":[]}`},
		{http.MethodPost, monitorrpc.PathForwards, `{"proto":"tcp","host":"127.0.0.1:0","guest":"80"}`, http.StatusOK, `"host":"made"`},
		{http.MethodPost, monitorrpc.PathForwards, `{"proto":"tcp","host":"taken","guest":"80"}`, http.StatusConflict, "taken"},
		{http.MethodGet, monitorrpc.PathPorts, "", http.StatusOK, `"host":"made"`},
		{http.MethodPost, monitorrpc.PathForwardRemove, `{"proto":"tcp","host":"made","guest":""}`, http.StatusOK, ""},
		{http.MethodPost, monitorrpc.PathForwardRemove, `{"proto":"tcp","host":"other","guest":""}`, http.StatusNotFound, "not_found"},
		{http.MethodGet, monitorrpc.PathStats, "", http.StatusOK, `"net_in_bytes":1,"net_out_bytes":2,"flows":3,"flows_denied":4`},
	} {
		status, body := s.do(tt.method, tt.path, tt.body)
		if status != tt.status || !strings.Contains(body, tt.answer) {
			t.Errorf("%s %.60s: %d %s; want %d with %q", tt.path, tt.body, status, body, tt.status, tt.answer)
		}
	}
	want, err := egress.Parse(long)
	if err != nil {
		t.Fatal(err)
	}
	if card.policy != want.String() || len(card.neighbours) != 1 || card.neighbours[0].Address4.String() != "198.18.2.1" {
		t.Errorf("policy is %q, neighbours are %+v", card.policy, card.neighbours)
	}
}

func TestHTTPOfAVMWithoutNetwork(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]int{
		monitorrpc.PathEgress:     http.StatusUnprocessableEntity,
		monitorrpc.PathNeighbours: http.StatusOK,
	} {
		body := map[string]string{monitorrpc.PathEgress: `{"policy":"all"}`, monitorrpc.PathNeighbours: `{"neighbours":[]}`}[path]
		if status, answer := s.do(http.MethodPost, path, body); status != want {
			t.Errorf("%s: %d %s; want %d", path, status, answer, want)
		}
	}
	_, body := s.do(http.MethodGet, monitorrpc.PathStats, "")
	var got monitorrpc.Stats
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.MonitorBytes == 0 || got.At.IsZero() || got.NetInBytes != 0 {
		t.Errorf("stats are %s, %v", body, err)
	}
}

type fakeAgent struct{ asked []agentrpc.DialRequest }

func (f *fakeAgent) DialGuest(_ context.Context, req agentrpc.DialRequest) (net.Conn, error) {
	f.asked = append(f.asked, req)
	return nil, errors.New("nobody is there")
}

func TestTheWayIntoTheGuest(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("198.18.7.9"), netip.MustParseAddr("fd62:616e:6765:7200::709")}
	for _, tt := range []struct{ network, address, card, agent string }{
		{"tcp", "0.0.0.0:80", "tcp:80", "127.0.0.1:80"},
		{"udp", "0.0.0.0:53", "udp:53", "127.0.0.1:53"},
		{"tcp", "[::]:80", "tcp:80", "[::1]:80"},
		{"tcp", "198.18.7.9:80", "tcp:80", "198.18.7.9:80"},
		{"tcp", "[fd62:616e:6765:7200::709]:80", "tcp:80", "[fd62:616e:6765:7200::709]:80"},
		{"tcp", "127.0.0.1:80", "", "127.0.0.1:80"},
		{"tcp", "172.17.0.1:80", "", "172.17.0.1:80"},
		{"unix", "/run/docker.sock", "", "/run/docker.sock"},
	} {
		agent, card := &fakeAgent{}, newFakeCard()
		if _, err := (reach{nic: card, own: own, agent: agent}).dial(t.Context(), tt.network, tt.address); err == nil {
			t.Fatal("nobody was reached")
		}
		if tt.card != "" && (!slices.Equal(card.dialed, []string{tt.card}) || len(agent.asked) != 0) {
			t.Errorf("%s %s: the card was asked for %v, the agent for %v; want %s", tt.network, tt.address, card.dialed, agent.asked, tt.card)
		}
		if tt.card == "" && (len(card.dialed) != 0 || len(agent.asked) != 1) {
			t.Errorf("%s %s: the card was asked for %v, the agent for %v", tt.network, tt.address, card.dialed, agent.asked)
		}
		agent = &fakeAgent{}
		if _, err := (reach{agent: agent}).dial(t.Context(), tt.network, tt.address); err == nil {
			t.Fatal("nobody was reached")
		}
		if want := (agentrpc.DialRequest{Network: tt.network, Address: tt.agent}); !slices.Equal(agent.asked, []agentrpc.DialRequest{want}) {
			t.Errorf("without a card: the agent was asked for %+v; want %+v", agent.asked, want)
		}
	}
}

func TestNeighboursConnectUntilTheEnd(t *testing.T) {
	t.Chdir(t.TempDir())
	card := newFakeCard()
	s, err := listenNeighbours(card, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := statedir.DialUnix(t.Context(), neighbourSocketName)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	if info, err := os.Stat(neighbourSocketName); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	s.close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the socket")
	}
}

// slowDisk takes a write only when it may.
type slowDisk struct {
	bytes.Buffer
	may chan struct{}
}

func (d *slowDisk) Write(p []byte) (int, error) {
	<-d.may
	return d.Buffer.Write(p)
}

func (d *slowDisk) Close() error { return nil }

func TestRecordsNeverWait(t *testing.T) {
	disk := &slowDisk{may: make(chan struct{})}
	l := newRecordLog(disk)
	const said = 3 * maxRecords
	for i := range said {
		l.Log(monitorrpc.Record{Event: "deny", Port: uint16(i), Name: strings.Repeat("x\x1b", 1000)})
	}
	close(disk.may)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	written, lost := 0, 0
	for line := range strings.Lines(disk.String()) {
		var r monitorrpc.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch r.Event {
		case monitorrpc.EventLost:
			var n int
			if _, err := fmt.Sscanf(r.Reason, "lost %d records", &n); err != nil {
				t.Errorf("%q: %v", r.Reason, err)
			}
			lost += n
		default:
			written++
			if len(r.Name) > maxName || strings.Contains(r.Name, "\x1b") {
				t.Errorf("a name of %d bytes", len(r.Name))
			}
		}
	}
	if written < maxRecords || lost == 0 || written+lost != said {
		t.Errorf("%d records are written, %d lost, of %d", written, lost, said)
	}
}

// networked is a spec whose VM has a network.
func networked() vm.Spec {
	s := goodSpec()
	s.Loopback = "127.77.5.1"
	s.Network = &vm.Network{
		MAC: "52:54:00:00:01:01", MTU: 65520, Guest4: "198.18.1.1/15", Guest6: "fd62:616e:6765:7200::101/64",
		Gateway4: "198.18.0.1", Gateway6: "fd62:616e:6765:7200::1", Host4: "198.18.0.2", Host6: "fd62:616e:6765:7200::2",
		Resolvers: []string{"127.77.5.2:53"}, Egress: "none",
	}
	return s
}

func TestNetworkLeavesNothing(t *testing.T) {
	dir := statedir.VM(t.TempDir())
	t.Chdir(string(dir))
	spec := networked()
	spec.Publish = []vm.Publish{{Proto: "tcp", HostAddress: spec.Loopback, GuestPort: 80}}
	n, err := openNetwork(dir, spec, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	n.attach(ours)
	all := n.ports.Ports(t.Context()).Ports
	if len(all) != 1 || all[0].HostAddress != spec.Loopback || all[0].HostPort == 0 {
		t.Fatalf("ports are %+v", all)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	_ = theirs.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, theirs); err != nil {
		t.Errorf("the guest's card: %v", err)
	}
	var d net.Dialer
	if conn, err := d.DialContext(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(all[0].HostAddress), all[0].HostPort).String()); err == nil {
		_ = conn.Close()
		t.Error("a published port outlives the network")
	}
	entries, err := os.ReadDir(string(dir))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(dir.EgressLog()) {
		t.Errorf("the directory has %v, %v; want the egress log", entries, err)
	}
}

func TestNetworkOfAVMWithoutOne(t *testing.T) {
	dir := statedir.VM(t.TempDir())
	t.Chdir(string(dir))
	spec := networked()
	spec.Network = nil
	n, err := openNetwork(dir, spec, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if n.card != nil {
		t.Error("it has a network card")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(string(dir)); err != nil || len(entries) != 0 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

func TestNetworkThatMakesNoSense(t *testing.T) {
	for name, spoil := range map[string]func(*vm.Spec){
		"policy":        func(s *vm.Spec) { s.Network.Egress = "permit" },
		"resolver":      func(s *vm.Spec) { s.Network.Resolvers = []string{"resolver.example.org"} },
		"guest address": func(s *vm.Spec) { s.Network.Guest4 = "198.18.1.1" },
		"published":     func(s *vm.Spec) { s.Publish = []vm.Publish{{Proto: "tcp", HostAddress: s.Loopback, HostPort: 80}} },
		"loopback":      func(s *vm.Spec) { s.Loopback = "10.0.0.1" },
	} {
		t.Run(name, func(t *testing.T) {
			dir := statedir.VM(t.TempDir())
			t.Chdir(string(dir))
			spec := networked()
			spoil(&spec)
			if n, err := openNetwork(dir, spec, slog.New(slog.DiscardHandler)); err == nil {
				_ = n.Close()
				t.Error("it was made")
			}
		})
	}
}
