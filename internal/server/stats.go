package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/event"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// guestView bounds how long a guest may take to tell how it is.
	guestView = 2 * time.Second
	// statsAtOnce is how many VMs are asked side by side.
	statsAtOnce = 32
	// sampleLimit bounds one round of samples.
	sampleLimit = 10 * time.Second
)

func (s *Server) statsRoutes(a huma.API) {
	handle(s, a, route{
		id: "get-stats", method: http.MethodGet, path: "/vms/{name}/stats", tag: "vms", summary: "Show a VM's resource usage",
	}, func(ctx context.Context, in *Named) (api.Stats, error) { return s.statsOf(ctx, in.Name) })
	handle(s, a, route{
		id: "list-stats", method: http.MethodGet, path: "/stats", tag: "vms",
		summary: "Show the resource usage of each live VM whose monitor answers",
	}, s.allStats)
}

func (s *Server) statsOf(ctx context.Context, name string) (api.Stats, error) {
	v, err := s.VMs.Get(ctx, name)
	if err != nil {
		return api.Stats{}, err
	}
	return s.stats(ctx, v)
}

// stats asks monitor and guest side by side.
func (s *Server) stats(ctx context.Context, v vm.VM) (api.Stats, error) {
	body := api.Stats{ID: v.ID, Name: v.Name, State: string(v.State), MemoryBytes: v.MemoryBytes, VCPU: v.VCPU}
	var asking sync.WaitGroup
	if v.State == vm.Running {
		asking.Go(func() { s.viewOfGuest(ctx, v.ID, &body) })
	}
	m, err := s.VMs.Stats(ctx, v)
	asking.Wait()
	if err != nil {
		return api.Stats{}, err
	}
	if m.VCPU > 0 {
		body.VCPU = m.VCPU
	}
	body.At, body.CPUNanos, body.HostMemoryBytes, body.MonitorBytes = m.At.UTC(), m.CPU.Nanoseconds(), m.HostMemoryBytes, m.MonitorBytes
	body.DiskUsageBytes, body.DiskReadBytes, body.DiskWriteBytes = s.Daemon.VMDiskUsage(v.ID), m.DiskReadBytes, m.DiskWriteBytes
	body.NetInBytes, body.NetOutBytes, body.Flows, body.FlowsDenied = m.NetInBytes, m.NetOutBytes, m.Flows, m.FlowsDenied
	body.Devices = (*api.DeviceStats)(m.Devices)
	return body, nil
}

// sample measures each live VM that answers, and the host.
func (s *Server) sample(ctx context.Context) []event.Event {
	ctx, cancel := context.WithTimeout(ctx, sampleLimit)
	defer cancel()
	all, err := s.allStats(ctx, nil)
	if err != nil {
		s.log.Debug("VMs not measured", "error", err)
	}
	host := s.Daemon.HostStats(ctx)
	round := make([]event.Event, 0, len(all.Items)+1)
	for _, body := range all.Items {
		round = append(round, event.Event{
			At: body.At, Kind: event.Sample, Action: event.Present, Name: body.Name, ID: body.ID, VM: body.Name, VMID: body.ID, Object: encoded(s.log, body),
		})
	}
	return append(round, event.Event{At: host.At, Kind: event.Host, Action: event.Present, Object: encoded(s.log, host)})
}

// viewOfGuest fills what the guest says of itself, if it says it soon.
func (s *Server) viewOfGuest(ctx context.Context, id string, body *api.Stats) {
	ctx, cancel := context.WithTimeout(ctx, guestView)
	defer cancel()
	h, err := s.Guests.Health(ctx, id)
	if err != nil {
		return
	}
	body.GuestMemoryTotal, body.GuestMemoryAvail = h.MemTotal, h.MemAvail
	body.GuestLoad1, body.GuestCPUSeconds = h.Load1, h.CPUSeconds
	body.DiskSizeBytes, body.DiskFreeBytes = h.DiskSize, h.DiskFree
}

func (s *Server) allStats(ctx context.Context, _ *none) (api.List[api.Stats], error) {
	vms, err := s.VMs.List(ctx, vm.Filter{})
	if err != nil {
		return api.List[api.Stats]{}, err
	}
	all := make([]*api.Stats, len(vms))
	turns := make(chan struct{}, statsAtOnce)
	var asking sync.WaitGroup
	for i, v := range vms {
		if !v.State.Alive() {
			continue
		}
		turns <- struct{}{}
		asking.Go(func() {
			defer func() { <-turns }()
			if body, err := s.stats(ctx, v); err == nil {
				all[i] = &body
			}
		})
	}
	asking.Wait()
	list := api.List[api.Stats]{Items: []api.Stats{}}
	for _, body := range all {
		if body != nil {
			list.Items = append(list.Items, *body)
		}
	}
	return list, ctx.Err()
}
