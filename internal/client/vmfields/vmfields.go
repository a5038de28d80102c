// Package vmfields says which fields of a request for a VM are wrong, for every door with a
// form: all of them at once, before the daemon is asked. The rules are package vm's.
package vmfields

import (
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

// OfCreate returns the faults of a request on this host, by the names of its fields in JSON.
func OfCreate(r api.CreateVM, host api.HostStats) map[string]error {
	wrong := vm.Fields{
		Name: r.Name, VCPU: r.VCPU, MemoryBytes: r.MemoryBytes, DiskBytes: r.DiskBytes, Env: r.Env, Labels: r.Labels, Publish: published(r.Publish), Egress: r.Egress,
	}.Wrong(facts(host))
	if r.Session != nil && r.Session.Name != "" {
		if err := session.ValidateName(r.Session.Name); err != nil {
			wrong["session"] = err
		}
	}
	return wrong
}

// OfUpdate returns the faults of a request on this host, by the names of its fields in JSON.
func OfUpdate(r api.UpdateVM, host api.HostStats) map[string]error {
	f := vm.Fields{Name: r.Name, VCPU: r.VCPU, MemoryBytes: r.MemoryBytes, DiskBytes: r.DiskBytes, Env: r.Env, Labels: r.Labels}
	if r.Publish != nil {
		f.Publish = published(*r.Publish)
	}
	return f.Wrong(facts(host))
}

func published(ports []api.Publish) []vm.Publish {
	all := make([]vm.Publish, len(ports))
	for i, p := range ports {
		all[i] = vm.Publish(p)
	}
	return all
}

func facts(host api.HostStats) vm.HostFacts {
	return vm.HostFacts{CPUs: host.CPUs, MemoryBytes: host.MemoryBytes, DiskBytes: host.DiskBytes}
}
