// Package mcp is the door for agents: a server of the Model Context Protocol
// whose tools make VMs, run commands in them, and move code and files in and
// out. It has no rules; the daemon does all work.
package mcp

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

const (
	// maxCalls bounds the tool calls under way at once.
	maxCalls = 32
	// maxMessage bounds one message from the client, in bytes: the largest file,
	// as base64, and what surrounds it.
	maxMessage = 8 << 20
)

const instructions = `banger runs virtual machines on this host. They are isolated: the host's files are not mounted.
Typical flow: vm_create, workspace_prepare (copy a git work tree in), exec or session_start (work and test), workspace_export (get the changes as a patch), vm_delete.
Use exec for commands that finish, and session_start for servers and interactive programs.
Use vm_ports to find a VM's server on the host, and vm_egress_log to see what a VM was denied.
Errors are JSON with code, message and hint. code is one of not_found, conflict, invalid, busy, unavailable, permission_denied, canceled, internal.`

// Server answers one client.
type Server struct {
	daemon      Daemon
	server      *sdk.Server
	commandLine func(act.Act) string
	slots       chan struct{}
	// inputs are the tools' schemas of arguments, by name.
	inputs map[string]*jsonschema.Schema

	mu   sync.Mutex
	stop <-chan struct{} // closed when all calls are to end
}

// New returns a server of all tools. version is banger's; commandLine words an act
// that no tool does, for the user to type.
func New(daemon Daemon, version string, commandLine func(act.Act) string) *Server {
	s := &Server{daemon: daemon, commandLine: commandLine, slots: make(chan struct{}, maxCalls), inputs: map[string]*jsonschema.Schema{}}
	s.server = sdk.NewServer(
		&sdk.Implementation{Name: "banger", Title: "banger virtual machines", Version: version},
		&sdk.ServerOptions{
			Instructions: instructions,
			Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}},
		})
	s.server.AddReceivingMiddleware(s.guard)
	s.addVMTools()
	s.addExecTool()
	s.addFileTools()
	s.addEditTool()
	s.addLookTools()
	s.addImageTools()
	s.addSnapshotTools()
	s.addSessionTools()
	s.addWorkspaceTools()
	s.addNetworkTools()
	return s
}

// Serve speaks to a client that writes newline-delimited JSON to in and reads
// it from out, until in ends and all that came is answered, or ctx ends: end it when
// nobody reads out. A line that is no message is answered by an error. It returns when
// every call under way has been cancelled and has cleaned up.
func (s *Server) Serve(ctx context.Context, in io.ReadCloser, out io.WriteCloser) error {
	calls := newCalls(out)
	err := s.run(ctx, &sdk.IOTransport{Reader: newMessages(in, calls, ctx.Done()), Writer: calls, MaxLineLength: maxMessage + 1})
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil && ctx.Err() == nil:
		return fault.Wrap(fault.Invalid, err, "cannot read the client's messages")
	}
	return err
}

func (s *Server) run(ctx context.Context, transport sdk.Transport) error {
	s.mu.Lock()
	s.stop = ctx.Done()
	s.mu.Unlock()
	return s.server.Run(ctx, transport)
}

// guard bounds how many calls there are, ends them with the server, and gives
// errors their form.
func (s *Server) guard(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
		called, ok := req.(*sdk.CallToolRequest)
		if !ok {
			return next(ctx, method, req)
		}
		if schema := s.inputs[called.Params.Name]; schema != nil {
			arguments, err := lenient(schema, orNone(called.Params.Arguments))
			if err != nil {
				return s.toolError(err), nil
			}
			called.Params.Arguments = arguments
		}
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			return s.toolError(fault.New(fault.Busy, "%d calls are already in progress", maxCalls).
				WithHint("wait for one to finish")), nil
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go s.endWithServer(ctx, cancel)
		res, err := next(ctx, method, req)
		if err != nil {
			return nil, err
		}
		if called, ok := res.(*sdk.CallToolResult); ok && called.IsError {
			return s.toolError(called.GetError()), nil
		}
		return res, nil
	}
}

func (s *Server) endWithServer(ctx context.Context, cancel context.CancelFunc) {
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	select {
	case <-stop:
		cancel()
	case <-ctx.Done():
	}
}
