package daemon

import (
	"context"
	"slices"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/diskuse"
	"github.com/bangervm/banger/internal/download"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/vm"
)

// systemFiles implements server.System: what is on disk, and what of it could go.
type systemFiles struct {
	dirs      statedir.Dirs
	images    *image.Service
	layers    *oci.Client
	downloads *download.Client
	kernels   interface {
		List(ctx context.Context) ([]kernel.Manifest, error)
	}
	vms       vm.Store
	snapshots interface {
		List(ctx context.Context, vmID string) ([]snapshot.Snapshot, error)
	}
	templates *template.Service
}

// entryTemplates is the entry of the type cache that has the templates.
const entryTemplates = "templates"

// survey measures types of files one after the other.
type survey struct {
	ctx   context.Context
	meter *diskuse.Meter
	usage api.DiskUsage
	err   error
}

// add measures paths as one entry of a type.
func (s *survey) add(use *api.DiskUse, e api.DiskEntry, paths ...string) int64 {
	for _, path := range paths {
		if s.err == nil {
			var n int64
			n, s.err = s.meter.Add(s.ctx, path)
			e.SizeBytes += n
		}
	}
	use.Count++
	if e.Active {
		use.Active++
	}
	use.SizeBytes += e.SizeBytes
	use.Entries = append(use.Entries, e)
	return e.SizeBytes
}

// more adds a path to the last entry of a type.
func (s *survey) more(use *api.DiskUse, path string) {
	if s.err != nil {
		return
	}
	var n int64
	n, s.err = s.meter.Add(s.ctx, path)
	use.Entries[len(use.Entries)-1].SizeBytes += n
	use.SizeBytes += n
}

func (s *survey) end(use api.DiskUse) {
	if use.Entries == nil {
		use.Entries = []api.DiskEntry{}
	}
	s.usage.SizeBytes += use.SizeBytes
	s.usage.ReclaimableBytes += use.ReclaimableBytes
	s.usage.Items = append(s.usage.Items, use)
}

// DiskUsage implements server.System. What could go is measured last, so that what it
// shares with what stays is none of it.
func (d systemFiles) DiskUsage(ctx context.Context) (api.DiskUsage, error) {
	kernels, err := d.kernels.List(ctx)
	if err != nil {
		return api.DiskUsage{}, err
	}
	vms, err := d.vms.List(ctx)
	if err != nil {
		return api.DiskUsage{}, err
	}
	s := &survey{ctx: ctx, meter: diskuse.New()}
	d.kernelUse(s, kernels, vms)
	used, unused, err := d.imagesInUse(ctx, s)
	if err != nil {
		return api.DiskUsage{}, err
	}
	machines, logs, kept, err := d.vmUse(s, vms)
	if err != nil {
		return api.DiskUsage{}, err
	}
	d.imagesUnused(s, &used, unused)
	s.end(used)
	s.end(machines)
	s.end(kept)
	s.end(logs)
	layers := api.DiskUse{Type: "layers"}
	s.add(&layers, api.DiskEntry{Name: "layers"}, d.dirs.Blobs())
	free, err := d.layers.Evictable(ctx)
	if err != nil {
		return api.DiskUsage{}, err
	}
	layers.ReclaimableBytes = min(free, layers.SizeBytes)
	s.end(layers)
	cache := api.DiskUse{Type: "cache"}
	for _, part := range []struct{ name, path string }{
		{"disks", d.dirs.DiskTemplates()},
		{"downloads", d.dirs.Downloads()},
		{"initramfs", d.dirs.Initramfs()},
		{"packages", d.dirs.Packages()},
	} {
		s.add(&cache, api.DiskEntry{Name: part.name}, part.path)
	}
	if cache.ReclaimableBytes, err = d.downloads.Unfinished(ctx); err != nil {
		return api.DiskUsage{}, err
	}
	cache.ReclaimableBytes += s.add(&cache, api.DiskEntry{Name: entryTemplates}, d.dirs.Templates())
	s.end(cache)
	return s.usage, s.err
}

func (d systemFiles) kernelUse(s *survey, kernels []kernel.Manifest, vms []vm.VM) {
	use := api.DiskUse{Type: "kernels"}
	inUse := map[string]bool{}
	for _, v := range vms {
		inUse[v.Kernel] = true
	}
	for _, k := range kernels {
		s.add(&use, api.DiskEntry{Name: k.Name, Active: inUse[k.Name]}, string(d.dirs.Kernel(k.Name)))
	}
	s.end(use)
}

// vmUse measures VMs, their logs and snapshots. What a snapshot shares with its VM is the VM's.
func (d systemFiles) vmUse(s *survey, vms []vm.VM) (machines, logs, kept api.DiskUse, err error) {
	machines, logs, kept = api.DiskUse{Type: "vms"}, api.DiskUse{Type: "logs"}, api.DiskUse{Type: "snapshots"}
	for _, v := range vms {
		dir, e := d.dirs.VM(v.ID), api.DiskEntry{ID: v.ID, Name: v.Name, Active: v.State.Alive()}
		var written []string
		for _, log := range []string{dir.Console(), dir.EgressLog(), dir.MonitorLog()} {
			written = append(written, log, log+".1")
		}
		s.add(&logs, e, written...)
		all, err := d.snapshots.List(s.ctx, v.ID)
		if err != nil {
			return machines, logs, kept, err
		}
		own := []string{dir.Disk(), dir.Workspaces()}
		if len(all) == 0 {
			own = append(own, string(dir))
		}
		s.add(&machines, e, own...)
		for _, one := range slices.Backward(all) {
			size := s.add(&kept, api.DiskEntry{ID: one.ID, Name: v.Name + "/" + one.Label(), Damaged: one.Damaged != ""}, string(dir.Snapshot(one.ID)))
			if one.Origin == snapshot.Rollback && !one.OnlyWork() {
				kept.ReclaimableBytes += size
			}
		}
		if len(all) > 0 {
			s.more(&machines, string(dir))
		}
	}
	s.add(&logs, api.DiskEntry{Name: "bangerd", Active: true}, d.dirs.Log(), d.dirs.OldLog())
	return machines, logs, kept, nil
}

// imagesInUse measures the images that a prune with all would leave, and returns the others.
func (d systemFiles) imagesInUse(ctx context.Context, s *survey) (use api.DiskUse, unused []image.Image, err error) {
	use.Type = "images"
	all, err := d.images.List(ctx)
	if err != nil {
		return use, nil, err
	}
	if unused, err = d.images.Unused(ctx, true); err != nil {
		return use, nil, err
	}
	done := map[string]bool{}
	for _, m := range unused {
		done[m.ID] = true
	}
	for _, m := range all {
		if !done[m.ID] {
			done[m.ID] = true
			s.add(&use, imageEntry(m, true), string(d.dirs.Image(m.ID)))
		}
	}
	return use, unused, nil
}

func (d systemFiles) imagesUnused(s *survey, use *api.DiskUse, unused []image.Image) {
	for _, m := range unused {
		use.ReclaimableBytes += s.add(use, imageEntry(m, false), string(d.dirs.Image(m.ID)))
	}
}

func imageEntry(m image.Image, active bool) api.DiskEntry {
	e := api.DiskEntry{ID: m.ID, Name: m.Name, Active: active, Damaged: m.Damaged != ""}
	if len(m.Names) > 1 {
		for _, n := range m.Names {
			e.Names = append(e.Names, n.Name)
		}
	}
	return e
}
