package web

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
)

// createTake is a resource of the host: how much of it is in use, and what the new VM adds.
type createTake struct {
	Name, Big, Of, Note, Says string
	Used, Adds                float64 // percent of the host's
	Over                      bool    // the host has less left
}

// createTakes is what the VM of the form takes of what the host has left. What cannot be
// read in the form is missing.
func createTakes(form, given url.Values, host api.HostStats, s *scene) []createTake {
	text := func(field string) string {
		if value := strings.TrimSpace(form.Get(field)); value != "" {
			return value
		}
		return given.Get(field)
	}
	var all []createTake
	if n, err := strconv.Atoi(text("vcpu")); err == nil && n > 0 && host.CPUs > 0 {
		out := 0
		for _, v := range s.vms {
			if status.Alive(v.vm.State) {
				out += v.vm.VCPU
			}
		}
		t := takeOf("vCPU", float64(out), float64(n), float64(host.CPUs), func(v float64) string { return strconv.Itoa(int(v)) })
		if t.Of, t.Note = "of "+fault.Count(host.CPUs, "CPU"), number(out)+" given to VMs that run"; t.Over {
			t.Says = "VMs share CPUs: they are slower when all work."
		}
		all = append(all, t)
	}
	bytes := func(name, field string, total, free int64, over string) {
		n, err := config.ParseSize(text(field))
		if err != nil || n <= 0 || total <= 0 {
			return
		}
		t := takeOf(name, float64(total-free), float64(n), float64(total), size)
		if t.Of, t.Note = "of "+size(float64(total)), size(float64(total-free))+" in use"; t.Over {
			t.Says = over
		}
		all = append(all, t)
	}
	bytes("Memory", "memory", host.MemoryBytes, host.MemoryAvailableBytes, "More than is free now. A guest takes what it uses.")
	bytes("Disk", "disk", host.DiskBytes, host.DiskAvailableBytes, "More than is free now. It grows as the guest writes.")
	return all
}

// takesOfForm reads what the host has now, and what the form takes of it.
func (c *Console) takesOfForm(ctx context.Context, form, given url.Values) ([]createTake, error) {
	host, err := c.api.HostStats(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.scene(ctx)
	if err != nil {
		return nil, err
	}
	return createTakes(form, given, host, s), nil
}

func takeOf(name string, used, adds, total float64, words func(float64) string) createTake {
	part := func(v float64) float64 { return min(100*v/total, 100) }
	t := createTake{Name: name, Big: words(adds), Used: part(used), Over: used+adds > total}
	t.Adds = min(part(adds), 100-t.Used)
	return t
}

// Label says what the gauge shows.
func (t createTake) Label() string {
	return fmt.Sprintf("%s: %.0f %% in use, up to %.0f %% with this VM", t.Name, t.Used, t.Used+t.Adds)
}
