package netstack

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// protocol indexes the counts of open flows.
type protocol int

const (
	protocolTCP protocol = iota
	protocolUDP
	protocolICMP
	protocols
)

// limits bound the flows of one VM.
var limits = [protocols]int{protocolTCP: 4096, protocolUDP: 1024, protocolICMP: 64} //nolint:gochecknoglobals // constants

const (
	// maxPending bounds the TCP connections that are being set up, and maxSetup
	// those and what is about to give way to newer ones.
	maxPending = 1536
	maxSetup   = 2048
	// maxAskedNames is how many of the names by which the guest asked for an address
	// a record has, the latest.
	maxAskedNames = 3
)

func (p protocol) word() egress.Protocol {
	return [protocols]egress.Protocol{egress.TCP, egress.UDP, egress.ICMP}[p]
}

// Grounds of verdicts that are not the policy's.
const (
	groundNeighbour = "neighbour"
	groundVirtual   = "not a neighbour"
	groundLimit     = "too many open flows"
)

// flow is one TCP connection, one pair of UDP ports, or the echoes of one
// identifier, from the guest to one destination.
type flow struct {
	n         *Network
	protocol  protocol
	guestPort uint16
	asked     netip.AddrPort // as the guest wrote it
	flow      egress.Flow    // as the policy sees it
	neighbour *Neighbour     // who it leads to, or nil
	needsHost bool           // what it says of its destination must be looked at

	sent, received atomic.Int64
	heard          atomic.Pointer[[]string] // the hosts that it named

	ctx     context.Context // ends when the flow is cut
	cancel  context.CancelCauseFunc
	logged  chan struct{} // closed once its first record is written
	owner   string        // the guest's process; set before logged is closed
	untold  bool          // the log is too busy for it; likewise
	release func()        // of its name; nil: it has none
	greeted chan struct{} // closed once the server spoke, other than in TLS and HTTP

	// Guarded by n.mu.
	verdict egress.Verdict
	said    egress.Said // what it said of its destination; no Speech: nothing yet
	ended   func()      // what cutting it does beside ending ctx
}

// begin decides on a flow and enters it. A denied one is logged, and nil.
func (n *Network) begin(p protocol, guestPort uint16, asked netip.AddrPort) *flow {
	f := &flow{n: n, protocol: p, guestPort: guestPort, asked: asked, logged: make(chan struct{}), greeted: make(chan struct{})}
	f.flow = egress.Flow{Protocol: p.word(), Addr: asked}
	switch addr := asked.Addr(); {
	case addr == n.plan.host4:
		f.flow.Host, f.flow.Addr = true, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), asked.Port())
	case addr == n.plan.host6:
		f.flow.Host, f.flow.Addr = true, netip.AddrPortFrom(netip.IPv6Loopback(), asked.Port())
	case !n.plan.virtual(addr):
		// By an address of the host's own the guest would reach what the host's
		// firewall keeps from everybody else.
		f.flow.Names = n.dns.Names(addr)
		f.flow.Host, f.flow.Local = n.own(addr)
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	f.verdict = n.decideLocked(f)
	var quietest *datagramFlow
	if f.verdict.Allow && n.counts[p] >= limits[p] {
		if quietest = n.quietestLocked(p); quietest == nil {
			f.verdict = egress.Verdict{Rule: groundLimit}
		}
	}
	allowed := f.verdict.Allow
	if allowed {
		f.needsHost = p == protocolTCP && f.neighbour == nil && n.policyLocked().NeedsHost(f.flow, f.verdict)
		f.ctx, f.cancel = context.WithCancelCause(n.ctx)
		n.flows[f] = struct{}{}
		n.counts[p]++
	}
	n.mu.Unlock()
	if quietest != nil {
		quietest.cut("newer ones took its place")
	}
	if !allowed {
		n.deny(f, f.verdict, f.lapsed())
		return nil
	}
	if p == protocolTCP && f.verdict.ByName {
		f.release = n.dns.Hold(asked.Addr(), f.verdict.Name)
	}
	n.log.begun(f)
	return f
}

// onCut has end called when the flow is cut; at once if it was already.
func (f *flow) onCut(end func()) {
	f.n.mu.Lock()
	f.ended = end
	f.n.mu.Unlock()
	if f.ctx.Err() != nil {
		end()
	}
}

// cutReason is why a flow was cut.
type cutReason string

func (r cutReason) Error() string { return string(r) }

// cut ends the flow from outside.
func (f *flow) cut(reason string) {
	f.cancel(cutReason(reason))
	f.n.mu.Lock()
	end := f.ended
	f.n.mu.Unlock()
	if end != nil {
		end()
	}
}

// end takes the flow out and logs it. Reason is empty for a usual end.
func (f *flow) end(reason string) {
	n := f.n
	n.mu.Lock()
	delete(n.flows, f)
	n.counts[f.protocol]--
	n.mu.Unlock()
	if cause, ok := context.Cause(f.ctx).(cutReason); ok { //nolint:errorlint // set by cut, never wrapped
		reason = string(cause)
	}
	f.cancel(nil)
	if f.release != nil {
		f.release()
	}
	n.log.ended(f, reason)
}

// deny counts and logs a flow that was denied.
func (n *Network) deny(f *flow, verdict egress.Verdict, reason string) {
	n.denied.Add(1)
	n.log.denied(f, verdict, reason)
}

// cutAll cuts every flow.
func (n *Network) cutAll(reason string) {
	n.mu.Lock()
	flows := make([]*flow, 0, len(n.flows))
	for f := range n.flows {
		flows = append(flows, f)
	}
	n.mu.Unlock()
	for _, f := range flows {
		f.cut(reason)
	}
}

// record is the part of its records that does not change. The caller may hold no lock.
func (f *flow) record(event string, verdict egress.Verdict) monitorrpc.Record {
	r := monitorrpc.Record{
		Event: event, Protocol: string(f.flow.Protocol), Name: verdict.Name, Rule: verdict.Rule,
		Address: f.asked.Addr().String(), Port: f.asked.Port(),
	}
	latest := slices.Clone(f.flow.Names[max(0, len(f.flow.Names)-maxAskedNames):])
	slices.Reverse(latest)
	r.Asked = strings.Join(latest, " ")
	if said := f.heard.Load(); said != nil {
		r.Said = strings.Join(*said, " ")
	}
	return r
}
