package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// fakePorts are what listens in the VM "web".
var fakePorts = []api.Port{
	{Proto: "tcp", Address: "127.128.1.7", Port: 5432, Endpoint: "web.vm:5432", GuestPort: 5432, GuestAddress: []string{"127.0.0.1"}, Source: "auto", Listening: true, Loopback: true, PID: 9, Process: "postgres", Command: "postgres -D /data"},
	{Proto: "tcp", Address: "127.128.1.7", Port: 8080, Endpoint: "web.vm:8080", URL: "http://web.vm:8080", GuestPort: 8080, GuestAddress: []string{"::"}, Source: "auto", Listening: true, Process: "node", Command: "node \x1b[2Jserver.js"},
	{Proto: "tcp", Address: "127.128.1.7", Port: 20443, Endpoint: "web.vm:20443", URL: "https://web.vm:20443", GuestPort: 443, Source: "auto", Listening: true, Process: "nginx", Command: "nginx: master process"},
	{Proto: "tcp", GuestPort: 9, Source: "auto", Listening: true, Process: "discard", Problem: "too many ports"},
	{Proto: "udp", Address: "::1", Port: 5353, Endpoint: "[::1]:5353", GuestPort: 53, Source: "published"},
}

var fakeEgress = api.Egress{
	Policy: "default deny\nallow example.org tcp/443\ndeny any udp\n", Default: "deny",
	Rules: []string{"allow example.org tcp/443", "deny any udp"},
}

const fakeEgressLog = `{"time":"2025-11-23T12:00:00Z","event":"allow","protocol":"tcp","name":"example.org","address":"192.0.2.1","port":443,"rule":"allow example.org tcp/443","process":"curl"}
{"time":"2025-11-23T12:00:01Z","event":"deny","protocol":"tcp","address":"2001:db8::1","port":25,"rule":"default deny","reason":"no name led there"}
{"time":"2025-11-23T12:00:02Z","event":"dns","protocol":"udp","name":"evil.example","rule":"default deny"}
{"time":"2025-11-23T12:00:03Z","event":"close","protocol":"tcp","name":"example.org","address":"192.0.2.1","port":443,"rule":"allow example.org tcp/443","sent_bytes":2048,"received_bytes":3145728,"process":"curl"}
`

// running refuses what needs a living VM.
func running(serve func(http.ResponseWriter, *http.Request, api.VM)) http.HandlerFunc {
	return withVM(func(w http.ResponseWriter, r *http.Request, v api.VM) {
		if v.State != "running" {
			problem(w, http.StatusConflict, api.Problem{Code: "conflict", Message: "VM " + v.Name + " is " + v.State, Hint: "banger vm start " + v.Name})
			return
		}
		serve(w, r, v)
	})
}

func (d *fakeDaemon) networkRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/egress/rules", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.EgressRules{Rules: []string{"allow example.org"}})
	})
	mux.HandleFunc("POST /v1/egress/rules", func(w http.ResponseWriter, r *http.Request) {
		var req api.ChangeEgressRules
		_ = json.NewDecoder(r.Body).Decode(&req)
		answer(w, api.EgressRules{Rules: append(req.Rules, "allow example.org")})
	})
	mux.HandleFunc("POST /v1/egress/rules/remove", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.EgressRules{Rules: []string{}})
	})
	mux.HandleFunc("GET /v1/vms/{name}/egress", withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) {
		if v.Name == "idle" {
			answer(w, api.Egress{Policy: "all", Preset: "all", Default: "allow", Rules: []string{}})
			return
		}
		answer(w, fakeEgress)
	}))
	mux.HandleFunc("PUT /v1/vms/{name}/egress", withVM(func(w http.ResponseWriter, r *http.Request, _ api.VM) {
		var req api.SetEgress
		_ = json.NewDecoder(r.Body).Decode(&req)
		answer(w, api.Egress{Policy: req.Policy, Default: "deny", Rules: strings.Split(strings.TrimSpace(req.Policy), "\n")})
	}))
	mux.HandleFunc("POST /v1/vms/{name}/egress/rules", withVM(func(w http.ResponseWriter, r *http.Request, _ api.VM) {
		var req api.AddEgress
		_ = json.NewDecoder(r.Body).Decode(&req)
		added := fakeEgress
		added.Rules = append(req.Rules, fakeEgress.Rules...)
		answer(w, added)
	}))
	mux.HandleFunc("POST /v1/vms/{name}/egress/rules/remove", withVM(func(w http.ResponseWriter, _ *http.Request, _ api.VM) {
		answer(w, fakeEgress)
	}))
	mux.HandleFunc("POST /v1/vms/{name}/egress/test", withVM(func(w http.ResponseWriter, r *http.Request, v api.VM) {
		var req api.TestEgress
		_ = json.NewDecoder(r.Body).Decode(&req)
		if v.Name == "idle" {
			answer(w, api.EgressVerdict{Target: req.Target + " tcp/443", Rule: "default deny", Unless: []string{"allow 192.0.2.0/24"}})
			return
		}
		answer(w, api.EgressVerdict{Target: req.Target, Allowed: true, Rule: "allow example.org tcp/443", Number: 1, ByName: true})
	}))
	mux.HandleFunc("GET /v1/vms/{name}/egress/log", withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) {
		if v.Name == "web" {
			_, _ = io.WriteString(w, fakeEgressLog)
			return
		}
		_, _ = io.WriteString(w, "nonsense\n")
	}))
	mux.HandleFunc("GET /v1/vms/{name}/ports", running(func(w http.ResponseWriter, _ *http.Request, v api.VM) {
		if v.Name == "publisher" {
			answer(w, api.List[api.Port]{Items: []api.Port{{Proto: "tcp", GuestPort: 80, Source: "published", Problem: "address \x1b already in use"}}})
			return
		}
		answer(w, api.List[api.Port]{Items: fakePorts})
	}))
	mux.HandleFunc("GET /v1/vms/{name}/forwards", running(func(w http.ResponseWriter, _ *http.Request, _ api.VM) {
		answer(w, api.List[api.Forward]{Items: []api.Forward{
			{Proto: "tcp", Host: "127.0.0.1:8080", Guest: "80"},
			{Proto: "unix", Host: "/tmp/d.sock", Guest: "/run/docker.sock"},
			{Proto: "udp", Host: "[::1]:53", Guest: "127.0.0.1:53"},
		}})
	}))
	mux.HandleFunc("POST /v1/vms/{name}/forwards", running(func(w http.ResponseWriter, r *http.Request, _ api.VM) {
		var req api.Forward
		_ = json.NewDecoder(r.Body).Decode(&req)
		req.Host = strings.Replace(req.Host, ":0", ":45678", 1)
		answer(w, req)
	}))
	mux.HandleFunc("POST /v1/vms/{name}/forwards/remove", running(func(w http.ResponseWriter, _ *http.Request, _ api.VM) {
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("GET /v1/vms/{name}/stats", running(func(w http.ResponseWriter, _ *http.Request, v api.VM) {
		stats := d.stats(v.ID, v.Name, 1)
		if strings.HasPrefix(v.Name, "brief") && stats.At.After(fakeTime.Add(4*time.Second)) {
			problem(w, http.StatusNotFound, api.Problem{Code: "not_found", Message: "no VM \"" + v.Name + "\""})
			return
		}
		answer(w, stats)
	}))
	mux.HandleFunc("GET /v1/stats", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.List[api.Stats]{Items: []api.Stats{d.stats("00000000000000aa", "web", 1), d.stats("00000000000000dd", "busy", 3)}})
	})
}

// stats grow evenly: each look is one second after the one before, in which
// the VM took half a second of its processors, busy times.
func (d *fakeDaemon) stats(id, name string, busy int64) api.Stats {
	d.mu.Lock()
	d.looks[name]++
	n := d.looks[name]
	d.mu.Unlock()
	return api.Stats{
		ID: id, Name: name, State: "running", At: fakeTime.Add(time.Duration(n) * time.Second), VCPU: 2,
		CPUNanos: n * busy * 500_000_000, MemoryBytes: 2 << 30, HostMemoryBytes: 400 << 20, MonitorBytes: 20 << 20,
		GuestMemoryTotal: 2 << 30, GuestMemoryAvail: 3 << 29, DiskUsageBytes: 1 << 30,
		DiskReadBytes: n << 20, DiskWriteBytes: n << 21, NetInBytes: n << 10, NetOutBytes: n << 11, Flows: 4, FlowsDenied: 2,
	}
}
