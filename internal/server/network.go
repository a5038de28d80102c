package server

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func (s *Server) networkRoutes(a huma.API) {
	at := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: "/vms/{name}" + path, tag: "network", summary: summary}
	}
	handle(s, a, at("get-egress", http.MethodGet, "/egress", "Show what the guest may reach"), s.getEgress)
	handle(s, a, at("set-egress", http.MethodPut, "/egress", "Replace the egress policy, also while the VM runs"), s.setEgress)
	handle(s, a, at("add-egress-rules", http.MethodPost, "/egress/rules", "Add rules before those of the egress policy"), s.addEgress)
	handle(s, a, at("remove-egress-rules", http.MethodPost, "/egress/rules/remove", "Remove rules from the egress policy"), s.removeEgress)
	handle(s, a, at("test-egress", http.MethodPost, "/egress/test", "Ask whether the egress policy allows a flow, and by which rule"), s.testEgress)
	logs := at("get-egress-log", http.MethodGet, "/egress/log", "Read what the guest reached and was denied")
	logs.describe = answersText("application/x-ndjson", "Each line is an EgressRecord as JSON.")
	handleStream(s, a, logs, s.egressLog)
	handle(s, a, at("get-ports", http.MethodGet, "/ports", "Show the guest's ports on this host"), s.getPorts)
	handle(s, a, at("list-forwards", http.MethodGet, "/forwards", "List the forwards that were made"), s.listForwards)
	handle(s, a, at("add-forward", http.MethodPost, "/forwards", "Forward a listener on the host to the guest"), s.addForward)
	handle(s, a, route{id: "get-egress-rules", method: http.MethodGet, path: "/egress/rules", tag: "network", summary: "Show the egress rules that new VMs begin with"},
		func(ctx context.Context, _ *struct{}) (api.EgressRules, error) {
			return rulesBody(s.VMs.EgressRules(ctx))
		})
	handle(s, a, route{id: "add-egress-rules-of-new-vms", method: http.MethodPost, path: "/egress/rules", tag: "network", summary: "Add rules before those of new VMs"},
		func(ctx context.Context, in *egressRulesRequest) (api.EgressRules, error) {
			return rulesBody(s.VMs.AddEgressRules(ctx, in.Body.Rules))
		})
	handle(s, a, route{id: "remove-egress-rules-of-new-vms", method: http.MethodPost, path: "/egress/rules/remove", tag: "network", summary: "Remove rules of new VMs"},
		func(ctx context.Context, in *egressRulesRequest) (api.EgressRules, error) {
			return rulesBody(s.VMs.RemoveEgressRules(ctx, in.Body.Rules))
		})
	handleEmpty(s, a, at("remove-forward", http.MethodPost, "/forwards/remove", "Remove a forward, by proto and host"), s.removeForward)
}

func egressBody(v vm.VM, err error) (api.Egress, error) {
	if err != nil {
		return api.Egress{}, err
	}
	policy, err := egress.Parse(v.Egress)
	return api.Egress{
		Policy: policy.String(), Preset: policy.Preset(), Default: string(policy.Default()), Rules: policy.Rules(),
	}, err
}

type egressRulesRequest struct {
	Body api.ChangeEgressRules
}

func rulesBody(rules []string, err error) (api.EgressRules, error) {
	return api.EgressRules{Rules: append([]string{}, rules...)}, err
}

func (s *Server) getEgress(ctx context.Context, in *Named) (api.Egress, error) {
	return egressBody(s.VMs.Get(ctx, in.Name))
}

func (s *Server) setEgress(ctx context.Context, in *vmRequest[api.SetEgress]) (api.Egress, error) {
	return egressBody(s.VMs.SetEgress(ctx, in.Name, in.Body.Policy))
}

func (s *Server) addEgress(ctx context.Context, in *vmRequest[api.AddEgress]) (api.Egress, error) {
	limit := egress.MaxTime.Seconds() + 1 // the domain refuses it; it must not overflow before
	add := vm.EgressAddition{Rules: in.Body.Rules, Always: in.Body.Always}
	add.For = time.Duration(min(in.Body.ForSeconds, limit) * float64(time.Second))
	return egressBody(s.VMs.AddEgress(ctx, in.Name, add))
}

func (s *Server) removeEgress(ctx context.Context, in *vmRequest[api.RemoveEgress]) (api.Egress, error) {
	return egressBody(s.VMs.RemoveEgress(ctx, in.Name, in.Body.Rules))
}

func (s *Server) testEgress(ctx context.Context, in *vmRequest[api.TestEgress]) (api.EgressVerdict, error) {
	words := strings.Fields(in.Body.Target)
	if len(words) == 0 {
		return api.EgressVerdict{}, fault.New(fault.Invalid, "no target was given").WithHint("for example github.com tcp/443")
	}
	probe, err := egress.NewProbe(in.Body.Address, words[0], words[1:]...)
	if err != nil {
		return api.EgressVerdict{}, err
	}
	answer, err := s.VMs.TestEgress(ctx, in.Name, probe, in.Body.Rules)
	return api.EgressVerdict{
		Target: probe.String(), Allowed: answer.Allow, Rule: answer.Rule, Number: answer.Number, ByName: answer.ByName && answer.Allow,
		Unless: append([]string{}, answer.Unless...),
	}, err
}

func (s *Server) egressLog(ctx context.Context, in *logsRequest) (func(http.ResponseWriter, *http.Request), error) {
	return s.streamLog(ctx, in, "application/x-ndjson", s.Consoles.EgressLog)
}

func (s *Server) getPorts(ctx context.Context, in *Named) (api.List[api.Port], error) {
	v, ports, err := s.VMs.Ports(ctx, in.Name)
	if err != nil {
		return api.List[api.Port]{}, err
	}
	own := vm.Loopback(s.uid, v.Index)
	host := own.String()
	if len(ports.Ports) > 0 && s.Resolver.Resolves(ctx, v.Name+vm.NameSuffix, own) {
		host = v.Name + vm.NameSuffix
	}
	list := listOf(sorted(ports.Ports), func(p vm.Port) api.Port { return portBody(p, own, host) })
	return list, nil
}

// sorted is by what they are in the guest; the monitor has made one of those that
// only differ in the address there.
func sorted(ports []vm.Port) []vm.Port {
	return slices.SortedStableFunc(slices.Values(ports), func(a, b vm.Port) int {
		return cmp.Or(cmp.Compare(a.GuestPort, b.GuestPort), cmp.Compare(a.Proto, b.Proto),
			cmp.Compare(a.HostPort, b.HostPort), cmp.Compare(a.HostAddress, b.HostAddress))
	})
}

// reachable is where a program of this host connects to what listens on host:
// all addresses are none to connect to.
func reachable(host string) string {
	switch addr, err := netip.ParseAddr(host); {
	case err != nil || !addr.IsUnspecified():
		return host
	case addr.Is4():
		return "127.0.0.1"
	default:
		return "::1"
	}
}

// portBody is a port; host is how the VM's own address is to be written.
func portBody(p vm.Port, own netip.Addr, host string) api.Port {
	body := api.Port{
		Proto: p.Proto, Address: p.HostAddress, Port: int(p.HostPort), GuestPort: int(p.GuestPort),
		GuestAddress: texts(p.GuestAddress), Source: p.Source, Listening: p.Listening, Loopback: p.Loopback, Problem: p.Problem,
		PID: p.PID, Process: p.Process, Command: p.Command,
	}
	if p.HostAddress == "" {
		return body
	}
	if p.HostAddress != own.String() {
		host = p.HostAddress
	}
	port := strconv.Itoa(int(p.HostPort))
	body.Endpoint = net.JoinHostPort(host, port)
	if p.Scheme == "http" || p.Scheme == "https" {
		body.URL = p.Scheme + "://" + net.JoinHostPort(reachable(host), port)
	}
	return body
}

func (s *Server) listForwards(ctx context.Context, in *Named) (api.List[api.Forward], error) {
	_, ports, err := s.VMs.Ports(ctx, in.Name)
	return listOf(ports.Forwards, func(f vm.Forward) api.Forward { return api.Forward(f) }), err
}

func (s *Server) addForward(ctx context.Context, in *vmRequest[api.Forward]) (api.Forward, error) {
	made, err := s.VMs.AddForward(ctx, in.Name, vm.Forward(in.Body))
	return api.Forward(made), err
}

func (s *Server) removeForward(ctx context.Context, in *vmRequest[api.Forward]) error {
	return s.VMs.RemoveForward(ctx, in.Name, vm.Forward(in.Body))
}
