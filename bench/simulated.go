package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of state.db

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/statedir"
)

// simulatedVMs is how many VMs run without a machine.
const simulatedVMs = 100

// simulated are monitors, and agents of guests, that answer as real ones whose VMs run and do
// nothing. bangerd adopts them as if it had been started anew under running VMs.
type simulated struct {
	servers []*http.Server
	stop    context.CancelFunc
}

// simulate makes the records of VMs say that they run, and answers for their monitors.
func (b *bench) simulate(ctx context.Context) (*simulated, error) {
	if _, err := b.banger(ctx, "daemon", "stop"); err != nil {
		return nil, err
	}
	state := filepath.Join(b.dir, "home/.local/state/banger")
	ids, err := sayTheyRun(ctx, filepath.Join(state, "state.db"))
	if err != nil {
		return nil, err
	}
	s := &simulated{}
	ctx, s.stop = context.WithCancel(ctx)
	for _, id := range ids {
		dir := statedir.VM(filepath.Join(state, "vms", id))
		if err := s.serve(ctx, dir); err != nil {
			s.close()
			return nil, err
		}
	}
	if err := b.count(ctx, simulatedVMs); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func sayTheyRun(ctx context.Context, path string) (ids []string, err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `UPDATE vms SET state = 'running', start_id = id, driver = 'qemu-tcg', host_boot_id = ?, started_at = ?
		WHERE id IN (SELECT id FROM vms WHERE name LIKE 'many-%' ORDER BY id LIMIT ?) RETURNING id`, strings.TrimSpace(string(boot)), time.Now().UnixNano(), simulatedVMs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// serve answers for the monitor and the agent of one VM until ctx ends.
func (s *simulated) serve(ctx context.Context, dir statedir.VM) error {
	if err := os.MkdirAll(dir.Run(), 0o700); err != nil {
		return err
	}
	now := time.Now()
	status := monitorrpc.Status{
		Protocol: monitorrpc.Version, VMID: dir.ID(), StartID: dir.ID(), Driver: "qemu-tcg", PID: os.Getpid(), Phase: monitorrpc.PhaseReady, AgentOK: true, StartedAt: now, ReadyAt: now,
	}
	monitor := http.NewServeMux()
	monitor.HandleFunc(monitorrpc.PathStatus, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(status) })
	monitor.HandleFunc(monitorrpc.PathEvents, func(w http.ResponseWriter, r *http.Request) { tellOnce(ctx, w, r, status) })
	monitor.HandleFunc(monitorrpc.PathStats, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(monitorrpc.Stats{At: time.Now(), VCPU: 1, HostMemoryBytes: 100 << 20})
	})
	monitor.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	listener, err := statedir.ListenUnix(dir.MonitorSocket())
	if err != nil {
		return err
	}
	s.start(listener, monitor)

	agent := http.NewServeMux()
	agent.HandleFunc(agentrpc.PathSessionEvents, func(w http.ResponseWriter, r *http.Request) { tellOnce(ctx, w, r, agentrpc.SessionEvent{}) })
	agent.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	vsock, err := statedir.ListenUnix(dir.VsockSocket())
	if err != nil {
		return err
	}
	s.start(hybrid{vsock}, agent)
	return nil
}

// tellOnce is a stream that says one thing and stays open.
func tellOnce(ctx context.Context, w http.ResponseWriter, r *http.Request, what any) {
	_ = json.NewEncoder(w).Encode(what)
	_ = http.NewResponseController(w).Flush()
	select {
	case <-ctx.Done():
	case <-r.Context().Done():
	}
}

func (s *simulated) start(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(listener) }()
}

// close ends them all, as if the monitors had died.
func (s *simulated) close() {
	s.stop()
	for _, server := range s.servers {
		_ = server.Close()
	}
}

// hybrid accepts connections to ports of a guest, by Firecracker's hybrid vsock.
type hybrid struct{ net.Listener }

// Accept is part of net.Listener.
func (h hybrid) Accept() (net.Conn, error) {
	conn, err := h.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &ported{Conn: conn, in: bufio.NewReader(conn)}, nil
}

// ported is a connection that begins with the port's number.
type ported struct {
	net.Conn
	in   *bufio.Reader
	told bool
}

// Read is part of net.Conn.
func (p *ported) Read(b []byte) (int, error) {
	if !p.told {
		p.told = true
		if _, err := p.in.ReadString('\n'); err != nil {
			return 0, err
		}
		if _, err := p.Write([]byte("OK 1\n")); err != nil {
			return 0, err
		}
	}
	return p.in.Read(b)
}

// count waits until so many VMs run.
func (b *bench) count(ctx context.Context, want int) error {
	got := 0
	for range 60 {
		names, err := b.banger(ctx, "vm", "list", "-q")
		if err != nil {
			return err
		}
		if got = len(strings.Fields(names)); got == want {
			return nil
		}
		if err := pace.Pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d VMs run, not %d", got, want)
}
