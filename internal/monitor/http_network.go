package monitor

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/httpjson"
	"github.com/bangervm/banger/internal/monitorrpc"
)

const (
	// maxPolicyBody bounds a request with a policy of egress.MaxText bytes, of which
	// JSON may make six each.
	maxPolicyBody = 6*egress.MaxText + maxBody
	// maxNeighboursBody bounds one with maxNeighbours, of which each has a path.
	maxNeighboursBody = 4 << 20
)

// portTable is the guest's ports on the host: a portmap.Map.
type portTable interface {
	Ports(ctx context.Context) monitorrpc.Ports
	Forward(f monitorrpc.Forward) (monitorrpc.Forward, error)
	Remove(f monitorrpc.Forward) error
}

// handleNetwork adds version 2 of the API, as monitorrpc has it.
func handleNetwork(mux *http.ServeMux, s *supervisor, n *hostNet) {
	mux.HandleFunc("POST "+monitorrpc.PathEgress, func(w http.ResponseWriter, r *http.Request) {
		var body monitorrpc.EgressRequest
		err := readUpTo(r, maxPolicyBody, &body)
		if err == nil {
			err = n.setEgress(body.Policy)
		}
		conclude(w, http.StatusOK, err)
	})
	mux.HandleFunc("POST "+monitorrpc.PathNeighbours, func(w http.ResponseWriter, r *http.Request) {
		var body monitorrpc.NeighboursRequest
		err := readUpTo(r, maxNeighboursBody, &body)
		if err == nil {
			err = n.setNeighbours(body)
		}
		conclude(w, http.StatusOK, err)
	})
	mux.HandleFunc("GET "+monitorrpc.PathPorts, func(w http.ResponseWriter, r *http.Request) {
		httpjson.Answer(w, http.StatusOK, n.ports.Ports(r.Context()))
	})
	mux.HandleFunc("POST "+monitorrpc.PathForwards, func(w http.ResponseWriter, r *http.Request) {
		var body monitorrpc.Forward
		err := read(r, &body)
		if err == nil {
			body, err = n.ports.Forward(body)
			s.board.portsChanged()
		}
		if err != nil {
			conclude(w, 0, err)
			return
		}
		httpjson.Answer(w, http.StatusOK, body)
	})
	mux.HandleFunc("POST "+monitorrpc.PathForwardRemove, func(w http.ResponseWriter, r *http.Request) {
		var body monitorrpc.Forward
		err := read(r, &body)
		if err == nil {
			err = n.ports.Remove(body)
			s.board.portsChanged()
		}
		conclude(w, http.StatusOK, err)
	})
	mux.HandleFunc("GET "+monitorrpc.PathStats, func(w http.ResponseWriter, r *http.Request) {
		status, _ := s.board.now()
		answer := stats(status, s.spec.VCPU, n.card, s.log)
		answer.Devices = s.devices(r.Context())
		httpjson.Answer(w, http.StatusOK, answer)
	})
}

func (n *hostNet) setEgress(text string) error {
	if n.card == nil {
		return fault.New(fault.Invalid, "the VM has no network, and so no egress policy")
	}
	policy, err := egress.Parse(text)
	if err != nil {
		return err
	}
	n.card.SetPolicy(policy)
	return nil
}

// setNeighbours is harmless where the VM has no network.
func (n *hostNet) setNeighbours(req monitorrpc.NeighboursRequest) error {
	all, err := neighboursOf(req)
	if err != nil || n.card == nil {
		return err
	}
	n.card.SetNeighbours(all)
	return nil
}
