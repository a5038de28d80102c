package mcp

import (
	"context"
	"errors"
	"io"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// publish leads from a port of the host's 127.0.0.1 to one in the VM. Other
// addresses of the host are the user's to give.
type publish struct {
	Proto     string `json:"proto,omitempty" jsonschema:"tcp or udp"`
	HostPort  int    `json:"host_port,omitempty" jsonschema:"on 127.0.0.1 of the host; 0: any free port"`
	GuestPort int    `json:"guest_port" jsonschema:"in the VM"`
}

// publishes bounds a list of them.
func publishes(most int) limit {
	return func(s *jsonschema.Schema) {
		s.MaxItems = &most
		bounds{
			"proto": {oneOf(api.ProtoTCP, api.ProtoUDP), fallback(`"tcp"`)}, "host_port": {between(0, 65535)}, "guest_port": {between(1, 65535)},
		}.apply("publish", s.Items)
	}
}

func published(list []publish) []api.Publish {
	var out []api.Publish
	for _, p := range list {
		out = append(out, api.Publish{Proto: p.Proto, HostPort: p.HostPort, GuestPort: p.GuestPort})
	}
	return out
}

// port is what listens in a VM, as agents see it.
type port struct {
	Proto     string `json:"proto"`
	Endpoint  string `json:"endpoint,omitempty" jsonschema:"address on the host"`
	URL       string `json:"url,omitempty" jsonschema:"if it is a web server"`
	GuestPort int    `json:"guest_port"`
	Listening bool   `json:"listening" jsonschema:"a process in the VM listens"`
	Process   string `json:"process,omitempty"`
	Command   string `json:"command,omitempty"`
	Problem   string `json:"problem,omitempty" jsonschema:"why it is not available on the host"`
}

type vmPortsArgs struct {
	VM string `json:"vm" jsonschema:"name or ID prefix"`
}

type vmPortsResult struct {
	Ports []port `json:"ports"`
}

type vmEgressArgs struct {
	VM string `json:"vm" jsonschema:"name or ID prefix"`
}

type vmEgressResult struct {
	Preset  string   `json:"preset,omitempty" jsonschema:"name of the preset, if any"`
	Default string   `json:"default" jsonschema:"allow or deny if no rule matches"`
	Rules   []string `json:"rules" jsonschema:"the first match decides"`
}

type vmEgressLogArgs struct {
	VM     string `json:"vm" jsonschema:"name or ID prefix"`
	Denied bool   `json:"denied,omitempty" jsonschema:"only denied connections"`
	Limit  int    `json:"limit,omitempty" jsonschema:"maximum, newest first"`
}

type vmEgressLogResult struct {
	Records []api.EgressRecord `json:"records" jsonschema:"oldest first"`
}

func (s *Server) addNetworkTools() {
	addTool(s, spec{
		name: "vm_ports", title: "List a VM's ports",
		description: "List the open ports of a VM and their addresses on the host.",
		effect:      effect{readOnly: true}, bounds: bounds{"vm": vmName()},
	}, s.vmPorts)
	addTool(s, spec{
		name: "vm_egress", title: "Show what a VM may reach",
		description: "Show the egress policy of a VM. Only the user can change it.",
		effect:      effect{readOnly: true}, bounds: bounds{"vm": vmName()},
	}, s.vmEgress)
	addTool(s, spec{
		name: "vm_egress_log", title: "Show what a VM reached",
		description: "List connections that a VM made or was denied, with the deciding rule. Use it when a download or connection fails.",
		effect:      effect{readOnly: true},
		bounds:      bounds{"vm": vmName(), "limit": {between(1, maxRecords), fallback("50")}},
	}, s.vmEgressLog)
}

func (s *Server) vmPorts(ctx context.Context, _ *sdk.CallToolRequest, args vmPortsArgs) (vmPortsResult, error) {
	all, err := s.daemon.Network.VMPorts(ctx, args.VM)
	out := vmPortsResult{Ports: []port{}}
	for _, p := range all {
		out.Ports = append(out.Ports, port{
			Proto: p.Proto, Endpoint: p.Endpoint, URL: p.URL, GuestPort: p.GuestPort, Listening: p.Listening,
			Process: p.Process, Command: p.Command, Problem: p.Problem,
		})
	}
	return out, err
}

func (s *Server) vmEgress(ctx context.Context, _ *sdk.CallToolRequest, args vmEgressArgs) (vmEgressResult, error) {
	e, err := s.daemon.Network.VMEgress(ctx, args.VM)
	return vmEgressResult{Preset: e.Preset, Default: e.Default, Rules: append([]string{}, e.Rules...)}, err
}

// maxRecords bounds the records of an answer.
const maxRecords = 500

func (s *Server) vmEgressLog(ctx context.Context, _ *sdk.CallToolRequest, args vmEgressLogArgs) (vmEgressLogResult, error) {
	tail := args.Limit
	if args.Denied {
		tail = -1 // those that were denied may be far back
	}
	log, err := s.daemon.Network.VMEgressLog(ctx, args.VM, client.LogOptions{Tail: tail})
	if err != nil {
		return vmEgressLogResult{}, err
	}
	defer func() { _ = log.Close() }()
	out := vmEgressLogResult{Records: []api.EgressRecord{}}
	records := client.NewEgressRecords(log)
	for {
		r, err := records.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if !args.Denied || r.Event == "deny" || r.Event == "dns" {
			out.Records = append(out.Records, r)
			out.Records = out.Records[max(0, len(out.Records)-args.Limit):]
		}
	}
}
