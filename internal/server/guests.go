package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func (s *Server) guestRoutes(a huma.API) {
	at := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: "/vms/{name}" + path, tag: "guests", summary: summary}
	}
	handle(s, a, at("get-health", http.MethodGet, "/health", "Ask the agent for the guest's health"), s.health)
	handle(s, a, at("list-processes", http.MethodGet, "/processes", "List the processes in a guest, those that took most CPU time first"), s.processes)
	handle(s, a, at("get-ssh", http.MethodGet, "/ssh", "Show what an SSH client needs"), s.sshAccess)
	handle(s, a, at("get-channel", http.MethodGet, "/channel", "Show where the agent answers on this host, past the daemon"), s.channel)
	logs := at("get-logs", http.MethodGet, "/logs", "Read the console")
	logs.describe = answersText("text/plain", "")
	handleStream(s, a, logs, s.logs)
	exec := at("exec", http.MethodPost, "/exec", "Run a command (Upgrade: "+api.ExecProtocol+")")
	exec.describe = upgrades("After 101 the stream carries the frames of docs/architecture.md.")
	handleStream(s, a, exec, s.exec)
	stream := at("dial", http.MethodGet, "/stream/{port}", "Connect to a port of the agent (Upgrade: "+api.StreamProtocol+")")
	stream.describe = upgrades("After 101 the stream is the agent's, raw.")
	handleStream(s, a, stream, s.dial)
}

// answersText describes a stream of text.
func answersText(contentType, description string) func(*huma.Operation) {
	return func(op *huma.Operation) {
		op.Description = description
		op.Responses = map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: "string"}}},
		}}
	}
}

func upgrades(description string) func(*huma.Operation) {
	return func(op *huma.Operation) {
		op.Description = description
		op.Responses = map[string]*huma.Response{"101": {Description: "Switching Protocols"}}
	}
}

// reachable finds a VM whose agent may answer.
func (s *Server) reachable(ctx context.Context, name string) (vm.VM, error) {
	v, err := s.VMs.Get(ctx, name)
	if err != nil {
		return vm.VM{}, err
	}
	if err := v.Reachable(vm.Starting, vm.Running, vm.Stopping); err != nil {
		return vm.VM{}, err
	}
	if err := s.Guests.Answers(ctx, v.ID); err != nil || v.State != vm.Starting {
		return v, err
	}
	return vm.VM{}, fault.New(fault.Unavailable, "VM %s is still booting", v.Name).
		WithHint("%s, or look at its console: %s", act.VMWait.On(v.Name), act.VMLogs.On(v.Name))
}

func (s *Server) health(ctx context.Context, in *Named) (api.Health, error) {
	v, err := s.reachable(ctx, in.Name)
	if err != nil {
		return api.Health{}, err
	}
	began := time.Now()
	h, err := s.Guests.Health(ctx, v.ID)
	if err != nil {
		return api.Health{}, err
	}
	return api.Health{
		Ready: h.Ready, Init: h.Init, Agent: h.Build, BootID: h.BootID, UptimeSeconds: h.Uptime, Now: h.Now,
		Load1: h.Load1, MemTotalBytes: h.MemTotal, MemAvailBytes: h.MemAvail,
		DiskSizeBytes: h.DiskSize, DiskFreeBytes: h.DiskFree, RoundTripNanos: time.Since(began).Nanoseconds(),
	}, nil
}

func (s *Server) processes(ctx context.Context, in *Named) (api.Processes, error) {
	v, err := s.reachable(ctx, in.Name)
	if err != nil {
		return api.Processes{}, err
	}
	list, err := s.Guests.Processes(ctx, v.ID)
	if errors.Is(err, fault.NotFound) {
		err = fault.Wrap(fault.Conflict, err, "VM %s", v.Name).Try(act.VMRestart.On(v.Name))
	}
	if err != nil {
		return api.Processes{}, err
	}
	body := api.Processes{Total: list.Total, Items: make([]api.Process, len(list.Processes))}
	for i, p := range list.Processes {
		body.Items[i] = api.Process{
			PID: p.PID, Parent: p.Parent, UID: p.UID, State: p.State, Process: p.Process, Command: p.Command, CPUSeconds: p.CPUSeconds, MemoryBytes: p.MemoryBytes,
		}
	}
	return body, nil
}

func (s *Server) sshAccess(ctx context.Context, in *Named) (api.SSHAccess, error) {
	v, err := s.VMs.Get(ctx, in.Name)
	if err != nil {
		return api.SSHAccess{}, err
	}
	access, err := s.Guests.SSH(ctx, v.ID)
	access.User = v.LoginName()
	return access, err
}

func (s *Server) channel(ctx context.Context, in *Named) (api.Channel, error) {
	v, err := s.reachable(ctx, in.Name)
	if err != nil {
		return api.Channel{}, err
	}
	at, err := s.Guests.Channel(ctx, v.ID)
	at.VM, at.VMID = v.Name, v.ID
	return at, err
}

type logsRequest struct {
	Named
	Tail   int  `query:"tail" default:"-1" minimum:"-1" doc:"lines from the end; -1: all"`
	Follow bool `query:"follow" doc:"continue until the VM ends"`
}

func (s *Server) logs(ctx context.Context, in *logsRequest) (func(http.ResponseWriter, *http.Request), error) {
	v, err := s.VMs.Get(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	if err := v.ConsoleErr(); err != nil {
		return nil, err
	}
	return s.streamLog(ctx, in, "text/plain; charset=utf-8", s.Consoles.Console)
}

// streamLog answers with a log of a VM, and with what comes while it is alive.
func (s *Server) streamLog(ctx context.Context, in *logsRequest, contentType string,
	open func(context.Context, LogRequest) (io.ReadCloser, error),
) (func(http.ResponseWriter, *http.Request), error) {
	v, err := s.VMs.Get(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.untilEnd(ctx)
	alive := func() bool {
		now, err := s.VMs.Get(ctx, v.ID)
		return err == nil && now.State.Alive()
	}
	stream, err := open(ctx, LogRequest{VMID: v.ID, Tail: in.Tail, Follow: in.Follow && v.State.Alive(), Alive: alive})
	if err != nil {
		cancel()
		return nil, err
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		defer cancel()
		defer func() { _ = stream.Close() }()
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(http.StatusOK)
		_, _ = io.Copy(flushing{w: w, out: http.NewResponseController(w)}, stream)
	}, nil
}

// flushing sends what is written at once, to a client that reads.
type flushing struct {
	w   io.Writer
	out *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	_ = f.out.SetWriteDeadline(time.Now().Add(eventDeadline))
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.out.Flush()
}

type execRequest struct {
	Named
	Upgrade string `header:"Upgrade"`
	Body    api.Exec
}

func (s *Server) exec(ctx context.Context, in *execRequest) (func(http.ResponseWriter, *http.Request), error) {
	if err := checkUpgrade(in.Upgrade, api.ExecProtocol); err != nil {
		return nil, err
	}
	if len(in.Body.Command) == 0 || in.Body.Command[0] == "" {
		return nil, fault.New(fault.Invalid, "the command is empty")
	}
	v, err := s.reachable(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	guest, err := s.Guests.Exec(ctx, v.ID, agentrpc.ExecRequest(in.Body))
	if err != nil {
		return nil, err
	}
	return s.splice(guest, api.ExecProtocol, "exec in "+v.Name), nil
}

type dialRequest struct {
	Named
	Upgrade string `header:"Upgrade"`
	Port    uint32 `path:"port" minimum:"1" maximum:"4294967294"`
}

func (s *Server) dial(ctx context.Context, in *dialRequest) (func(http.ResponseWriter, *http.Request), error) {
	if err := checkUpgrade(in.Upgrade, api.StreamProtocol); err != nil {
		return nil, err
	}
	v, err := s.reachable(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	guest, err := s.Guests.Dial(ctx, v.ID, in.Port)
	if err != nil {
		return nil, err
	}
	return s.splice(guest, api.StreamProtocol, streamName(in.Port)+v.Name), nil
}

// streamName is how users know a stream to a port of the agent.
func streamName(port uint32) string {
	if port == agentrpc.SSHPort {
		return "ssh to "
	}
	return "a stream to "
}

func checkUpgrade(got, want string) error {
	if got != want {
		return fault.New(fault.Invalid, "this endpoint needs the header Upgrade: %s (is %q)", want, got)
	}
	return nil
}
