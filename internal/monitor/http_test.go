package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// served is a supervisor on a fake machine behind a real socket.
type served struct {
	*rig
	net  *hostNet
	http *http.Client
	stop func()
}

func serve(t *testing.T) *served {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.sock")
	listener, err := statedir.ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, syscall.SIGCONT)
	ctx, cancel := context.WithCancel(t.Context())
	up := make(chan struct{})
	go func() { r.exited <- r.supervisor.run(ctx, func() { close(up) }) }()
	<-up
	s := &served{rig: r, net: &hostNet{ports: r.ports}, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return statedir.DialUnix(ctx, path) },
	}}}
	s.stop = serveHTTP(ctx, listener, r.supervisor, s.net, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		r.last().End(vmm.Exit{Cause: vmm.HostShutdown})
		<-r.done
		s.showExit(vm.Exit{Reason: vm.ReasonVMMFailed})
		s.http.CloseIdleConnections()
		s.stop()
		cancel()
	})
	return s
}

func (s *served) do(method, path, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://m"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestHTTPOrders(t *testing.T) {
	s := serve(t)
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{monitorrpc.PathPause, "", http.StatusOK},
		{monitorrpc.PathResume, "", http.StatusOK},
		{monitorrpc.PathKill, `{"signal":18}`, http.StatusOK},
		{monitorrpc.PathKill, `{"signal":0}`, http.StatusUnprocessableEntity},
		{monitorrpc.PathKill, `{"signal":65}`, http.StatusUnprocessableEntity},
		{monitorrpc.PathKill, `{"sig":9}`, http.StatusUnprocessableEntity},
		{monitorrpc.PathKill, strings.Repeat(" ", maxBody) + `{"signal":18}`, http.StatusUnprocessableEntity},
		{monitorrpc.PathStop, `{"timeout_millis":-1}`, http.StatusUnprocessableEntity},
		{monitorrpc.PathStop, `nonsense`, http.StatusUnprocessableEntity},
		{"/v1/other", "", http.StatusNotFound},
		{monitorrpc.PathStop, `{"timeout_millis":60000}`, http.StatusAccepted},
	} {
		status, body := s.do(http.MethodPost, tt.path, tt.body)
		if status != tt.status {
			t.Errorf("%s %.40s: %d %s; want %d", tt.path, tt.body, status, body, tt.status)
		}
		var p fault.Problem
		if status == http.StatusUnprocessableEntity && (json.Unmarshal([]byte(body), &p) != nil || p.Code != string(fault.Invalid)) {
			t.Errorf("%s: the body is %s", tt.path, body)
		}
	}
	_, body := s.do(http.MethodGet, monitorrpc.PathStatus, "")
	var status monitorrpc.Status
	if err := json.Unmarshal([]byte(body), &status); err != nil || status.Phase != monitorrpc.PhaseStopping {
		t.Errorf("status is %s, %v", body, err)
	}
}

func TestHTTPEventsEndWithTheExit(t *testing.T) {
	s := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://m"+monitorrpc.PathEvents, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"phase":"booting"`) {
		t.Fatalf("the first event is %q", lines.Text())
	}
	s.last().End(vmm.Exit{Cause: vmm.Failed, Detail: "boom"})
	exit := <-s.exited
	s.showExit(exit)
	var last string
	for lines.Scan() {
		last = lines.Text()
	}
	if !strings.Contains(last, `"exit_reason":"vmm-failed"`) || !strings.Contains(last, "boom") {
		t.Errorf("the last event is %s", last)
	}
	s.stop()
}

func TestHTTPDoesNotWaitForAStuckWatcher(t *testing.T) {
	s := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://m"+monitorrpc.PathEvents, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	began := time.Now() // nothing reads resp.Body, and nothing says exited
	s.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
