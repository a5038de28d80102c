package mcp

import (
	"context"
	"errors"
	"io"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// Look reads what one VM and its console say, and waits for sessions.
// *client.Client is one.
type Look interface {
	GetVM(ctx context.Context, name string) (api.VM, error)
	VMLogs(ctx context.Context, name string, opts client.LogOptions) (io.ReadCloser, error)
	GetSession(ctx context.Context, vm, name string) (api.Session, error)
	WaitSession(ctx context.Context, vm, name string) (api.Session, error)
}

type vmShowArgs struct {
	VM string `json:"vm" jsonschema:"name or ID prefix"`
}

type vmLogsArgs struct {
	VM    string `json:"vm" jsonschema:"name or ID prefix"`
	Limit int    `json:"limit,omitempty" jsonschema:"number of last lines"`
}

type vmLogsResult struct {
	Console Text `json:"console"`
}

type sessionWaitArgs struct {
	VM      string  `json:"vm" jsonschema:"name or ID prefix"`
	Session string  `json:"session" jsonschema:"name or ID prefix"`
	Timeout float64 `json:"timeout_seconds,omitempty" jsonschema:"maximum wait"`
}

type sessionWaitResult struct {
	Session
	TimedOut bool `json:"timed_out,omitempty" jsonschema:"it is still running"`
}

// maxConsole bounds what vm_logs returns of the console, in bytes.
const maxConsole = 64 << 10

func (s *Server) addLookTools() {
	addTool(s, spec{
		name: "vm_show", title: "Show a VM", description: "Show a VM: its state, last exit reason and workspace.",
		effect: effect{readOnly: true}, bounds: bounds{"vm": vmName()},
	}, s.vmShow)
	addTool(s, spec{
		name: "vm_logs", title: "Read a VM's console",
		description: "Read the end of a VM's console log (kernel and init). Use it when a VM fails to start.",
		effect:      effect{readOnly: true}, bounds: bounds{"vm": vmName(), "limit": {between(1, 2000), fallback("100")}},
	}, s.vmLogs)
	addTool(s, spec{
		name: "session_wait", title: "Wait for a session",
		description: "Wait until a session ends and return its exit code.",
		effect:      effect{readOnly: true},
		bounds: bounds{
			"vm": vmName(), "session": {length(1, maxSession)}, "timeout_seconds": {between(0, 3600), fallback("120")},
		},
	}, s.sessionWait)
}

func (s *Server) vmShow(ctx context.Context, _ *sdk.CallToolRequest, args vmShowArgs) (VM, error) {
	v, err := s.daemon.Look.GetVM(ctx, args.VM)
	return s.vmView(v), err
}

func (s *Server) vmLogs(ctx context.Context, _ *sdk.CallToolRequest, args vmLogsArgs) (vmLogsResult, error) {
	log, err := s.daemon.Look.VMLogs(ctx, args.VM, client.LogOptions{Tail: args.Limit})
	if err != nil {
		return vmLogsResult{}, err
	}
	defer func() { _ = log.Close() }()
	kept := &headTail{limit: maxConsole}
	if _, err := io.Copy(kept, log); err != nil {
		return vmLogsResult{}, fault.Wrap(fault.Unavailable, err, "cannot read the console of %s", args.VM)
	}
	return vmLogsResult{Console: kept.text()}, nil
}

func (s *Server) sessionWait(ctx context.Context, _ *sdk.CallToolRequest, args sessionWaitArgs) (sessionWaitResult, error) {
	waiting, cancel := context.WithTimeout(ctx, time.Duration(args.Timeout*float64(time.Second)))
	defer cancel()
	ended, err := s.daemon.Look.WaitSession(waiting, args.VM, args.Session)
	if err == nil {
		return sessionWaitResult{Session: sessionView(ended)}, nil
	}
	if ctx.Err() != nil || !errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return sessionWaitResult{}, err
	}
	present, err := s.daemon.Look.GetSession(ctx, args.VM, args.Session)
	return sessionWaitResult{Session: sessionView(present), TimedOut: err == nil}, err
}
