package vm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
)

// GroupLabel is the label that makes neighbours of VMs: those with the same value.
const GroupLabel = "group"

const (
	// pushLimit bounds the telling of one machine about its network.
	pushLimit = 10 * time.Second
	// lastPush is the longest pause before a machine is told again that did not take it.
	lastPush = 10 * time.Second
)

// neighbours are the living VMs of v's group but itself, by id.
func neighbours(v VM, all []VM) []Neighbour {
	group := v.Labels[GroupLabel]
	list := []Neighbour{}
	if group == "" || v.Network == NetworkNone {
		return list
	}
	for _, other := range all {
		if other.ID == v.ID || other.Labels[GroupLabel] != group || other.Network == NetworkNone || !other.State.Alive() {
			continue
		}
		n := Neighbour{VMID: other.ID, Name: other.Name}
		n.Address4, n.Address6 = GuestAddresses(other.Index)
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b Neighbour) int { return strings.Compare(a.VMID, b.VMID) })
	return list
}

// networkSync is what a machine was last told of its network.
type networkSync struct {
	turn       chan struct{} // holds one value: who has it may tell the machine
	dirty      chan struct{} // there may be something new to tell
	told       Machine       // which monitor was told; nil: none
	policy     string
	neighbours []Neighbour
}

func newNetworkSync() networkSync {
	n := networkSync{turn: make(chan struct{}, 1), dirty: make(chan struct{}, 1)}
	n.turn <- struct{}{}
	n.dirty <- struct{}{}
	return n
}

// poke has the machine told what is new.
func (w *watch) poke() {
	select {
	case w.network.dirty <- struct{}{}:
	default:
	}
}

// pokeGroups pokes the machines of VMs in one of the groups.
func (s *Service) pokeGroups(groups ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.live {
		if w.group != "" && slices.Contains(groups, w.group) {
			w.poke()
		}
	}
}

// regroup notes the group of a living VM, which is poked.
func (s *Service) regroup(v VM) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.live[v.ID]; w != nil {
		w.group = v.Labels[GroupLabel]
		w.poke()
	}
}

// keepNetwork tells a machine what the records say of its network, when it is
// found and whenever they change, until it takes it or ends.
func (s *Service) keepNetwork(ctx context.Context, w *watch) {
	for {
		select {
		case <-w.network.dirty:
		case <-w.ended:
			return
		case <-ctx.Done():
			return
		}
		for pauses := pace.NewBackoff(firstRetry, lastPush); ; {
			err := s.pushNetwork(ctx, w)
			if err == nil || w.over() || ctx.Err() != nil {
				break
			}
			if errors.Is(err, fault.Conflict) || errors.Is(err, fault.NotFound) {
				s.log.Info("network of VM not up to date", "vm", w.vmID, "error", err)
				break
			}
			pause := pauses.Next()
			if pause == firstRetry {
				s.log.Warn("network of VM not up to date; trying again", "vm", w.vmID, "error", err)
			}
			if !w.pauseFor(ctx, pause) {
				return
			}
		}
	}
}

// pauseFor waits; false when the machine, or ctx, ends first.
func (w *watch) pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.ended:
	case <-ctx.Done():
	}
	return false
}

// pushNetwork tells a machine its policy and its neighbours, as far as it has
// not been told. What it tells was read when its turn had come, so the last to
// tell is never the one that knows less.
func (s *Service) pushNetwork(ctx context.Context, w *watch) error {
	ctx, cancel := context.WithTimeout(ctx, pushLimit)
	defer cancel()
	select {
	case <-w.network.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { w.network.turn <- struct{}{} }()
	v, err := s.byID(ctx, w.vmID)
	if err != nil {
		return err
	}
	all, err := s.deps.Store.List(ctx)
	if err != nil || v.StartID != w.startID || v.Network == NetworkNone {
		return err
	}
	machine, sync := w.current(), &w.network
	if sync.told != machine {
		sync.told, sync.policy, sync.neighbours = machine, "", nil
	}
	if sync.policy != v.Egress {
		sync.policy = ""
		if err := machine.SetEgress(ctx, v.Egress); err != nil {
			return err
		}
		sync.policy = v.Egress
	}
	if list := neighbours(v, all); sync.neighbours == nil || !slices.Equal(list, sync.neighbours) {
		sync.neighbours = nil
		if err := machine.SetNeighbours(ctx, list); err != nil {
			return err
		}
		sync.neighbours = list
	}
	return nil
}
