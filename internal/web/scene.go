package web

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/status"
)

// scene is what there is, as the daemon's events tell it. It is for one goroutine at
// a time.
type scene struct {
	vms        map[string]*vmScene // by ID
	images     map[string]struct{}
	kernels    map[string]struct{}
	operations map[string]api.Operation // those that run, and some that ended since
	denied     int                      // denials that were told of, in all VMs
}

// vmScene is a VM with what is in it.
type vmScene struct {
	vm       api.VM
	sessions map[string]api.Session // by ID
	ports    []api.Port
	// portsKnown: ports are those of now.
	portsKnown bool
	denials    denials
}

func newScene() *scene {
	return &scene{
		vms: map[string]*vmScene{}, images: map[string]struct{}{}, kernels: map[string]struct{}{}, operations: map[string]api.Operation{},
	}
}

// scene reads what there is now.
func (c *Console) scene(ctx context.Context) (*scene, error) {
	s := newScene()
	for ev, err := range c.api.Events(ctx, client.EventOptions{Once: true}) {
		if err != nil {
			return nil, err
		}
		if _, err := s.apply(ev); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// apply takes an event, and returns the ID of the VM that it is about or in, if any.
func (s *scene) apply(ev api.Event) (vm string, err error) {
	gone := ev.Action == api.ActionDeleted
	switch ev.Kind {
	case api.EventReset:
		*s = *newScene()
	case api.EventVM:
		return ev.Object, s.applyVM(ev, gone)
	case api.EventSession, api.EventWorkspace, api.EventPorts, api.EventEgress:
		return ev.VMID, s.applyInVM(ev, gone)
	case api.EventOperation:
		return "", s.applyOperation(ev)
	case api.EventImage:
		set(s.images, cmp.Or(ev.Object, ev.Name), gone)
	case api.EventKernel:
		set(s.kernels, cmp.Or(ev.Object, ev.Name), gone)
	}
	return "", nil
}

func set(in map[string]struct{}, key string, gone bool) {
	if in[key] = struct{}{}; gone {
		delete(in, key)
	}
}

func (s *scene) applyVM(ev api.Event, gone bool) error {
	if gone {
		delete(s.vms, ev.Object)
		return nil
	}
	body, err := client.EventBody[api.VM](ev)
	if err != nil {
		return err
	}
	known, ok := s.vms[ev.Object]
	if !ok {
		known = &vmScene{sessions: map[string]api.Session{}}
		s.vms[ev.Object] = known
	}
	body.Workspace = known.vm.Workspace
	if known.vm = body; !status.Alive(body.State) {
		known.ports, known.portsKnown = nil, false
	}
	return nil
}

func (s *scene) applyInVM(ev api.Event, gone bool) error {
	in, ok := s.vms[ev.VMID]
	if !ok {
		return nil // it was deleted meanwhile
	}
	var err error
	switch {
	case ev.Kind == api.EventSession && gone:
		delete(in.sessions, ev.Object)
	case ev.Kind == api.EventSession:
		var body api.Session
		if body, err = client.EventBody[api.Session](ev); err == nil {
			in.sessions[ev.Object] = body
		}
	case ev.Kind == api.EventWorkspace && gone:
		in.vm.Workspace = nil
	case ev.Kind == api.EventWorkspace:
		var body api.Workspace
		if body, err = client.EventBody[api.Workspace](ev); err == nil {
			in.vm.Workspace = &body
		}
	case ev.Action == api.ActionDenied:
		s.denied++
		err = in.denials.apply(ev, s.denied)
	}
	return err
}

// maxEnded bounds the operations that are known though they ended.
const maxEnded = 32

func (s *scene) applyOperation(ev api.Event) error {
	body, err := client.EventBody[api.Operation](ev)
	if err != nil {
		return err
	}
	s.setOperation(body)
	return nil
}

func (s *scene) setOperation(op api.Operation) {
	s.operations[op.ID] = op
	ended := slices.DeleteFunc(slices.Collect(maps.Values(s.operations)), func(op api.Operation) bool { return op.EndedAt == nil })
	if len(ended) > maxEnded {
		delete(s.operations, slices.MinFunc(ended, func(a, b api.Operation) int { return a.EndedAt.Compare(*b.EndedAt) }).ID)
	}
}

// running are the operations in progress, the oldest first.
func (s *scene) running() []api.Operation {
	running := slices.DeleteFunc(slices.Collect(maps.Values(s.operations)), func(op api.Operation) bool { return op.State != api.OperationRunning })
	slices.SortFunc(running, func(a, b api.Operation) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return running
}

// setPorts takes a VM's ports in, if it still runs.
func (s *scene) setPorts(found vmPorts) {
	if v, ok := s.vms[found.vm]; ok && status.Alive(v.vm.State) {
		v.ports, v.portsKnown = found.ports, true
	}
}

// sorted are the VMs, those that need somebody first.
func (s *scene) sorted() []*vmScene {
	shown := make(map[*vmScene]*api.VM, len(s.vms))
	for _, v := range s.vms {
		vm := v.vm
		vm.Attention = v.attention()
		shown[v] = &vm
	}
	return slices.SortedFunc(maps.Values(s.vms), func(a, b *vmScene) int { return status.CompareVMs(shown[a], shown[b]) })
}

// counts says how many VMs are alive, and how many need somebody.
func (s *scene) counts() (running, needs int) {
	for _, v := range s.vms {
		if status.Alive(v.vm.State) {
			running++
		}
		if status.Needs(v.attention()) {
			needs++
		}
	}
	return running, needs
}

// inOrder are the sessions, the oldest first.
func (v *vmScene) inOrder() []api.Session {
	return slices.SortedFunc(maps.Values(v.sessions), func(a, b api.Session) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

// sessions are those of a VM, the oldest first.
func (s *scene) sessions(vm string) []api.Session {
	if v, ok := s.vms[vm]; ok {
		return v.inOrder()
	}
	return nil
}
