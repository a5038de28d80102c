package server

import (
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/operation"
)

// listOf is the body of a listing: never null.
func listOf[In, Out any](in []In, body func(In) Out) api.List[Out] {
	items := make([]Out, 0, len(in))
	for _, v := range in {
		items = append(items, body(v))
	}
	return api.List[Out]{Items: items}
}

// when is nil for a time at which nothing has happened.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func texts(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func operationBody(op operation.Operation) api.Operation {
	body := api.Operation{
		ID: op.ID, Kind: op.Kind, Subject: op.Subject, State: string(op.State), Result: op.Result,
		Stages: make([]api.Stage, 0, len(op.Stages)), CreatedAt: op.CreatedAt.UTC(), EndedAt: when(op.EndedAt),
	}
	for _, s := range op.Stages {
		body.Stages = append(body.Stages, api.Stage{
			Name: s.Name, State: string(s.State), Detail: s.Detail, Done: s.Done, Total: s.Total, Unit: s.Unit,
			StartedAt: s.StartedAt.UTC(), EndedAt: when(s.EndedAt),
		})
	}
	if op.Code != "" {
		p := fault.ProblemOf(&fault.Error{Code: fault.Code(op.Code), Message: op.Message, Hint: op.Hint})
		body.Problem = &p
	}
	return body
}

func imageBody(m image.Image, vms int, usage int64) api.Image {
	external := ""
	if m.External != nil {
		external = m.External.Path
	}
	health, every := []string(nil), time.Duration(0)
	if h := m.Config.HealthCheck; h != nil {
		health, every = h.Argv, h.Interval
	}
	return api.Image{
		HealthCheck: texts(health), HealthEvery: every.Milliseconds(),
		ID: m.ID, Name: m.Name, Ref: m.Ref, Digest: m.Digest, Architecture: m.Architecture, Variant: m.Variant, OS: m.OS,
		RootfsBytes: m.RootfsBytes, DiskUsage: usage, Entrypoint: texts(m.Config.Entrypoint), Cmd: texts(m.Config.Cmd),
		Env: texts(m.Config.Env), WorkingDir: m.Config.WorkingDir, User: m.Config.User, Kernel: m.Kernel, OwnKernel: m.OwnKernel,
		StopSignal: m.Config.StopSignal, ExposedPorts: texts(m.Config.ExposedPorts), Volumes: texts(m.Config.Volumes), DiskBytes: m.DiskBytes, MemoryBytes: m.MemoryBytes,
		External: external, VMs: vms, CreatedAt: m.CreatedAt.UTC(),
	}
}

func kernelBody(m kernel.Manifest, vms int) api.Kernel {
	problem := ""
	if m.Problem != nil {
		problem = m.Problem.Error()
	}
	return api.Kernel{
		Name: m.Name, Version: m.Version, Architecture: m.Architecture, Source: m.Source, SHA256: m.SHA256,
		SizeBytes: m.SizeBytes, Modules: m.Modules, HasInitrd: m.Initrd != "", ImportedAt: m.ImportedAt.UTC(), VMs: vms,
		Trust: texts(m.Trust), Damaged: m.Problem != nil, Problem: problem,
	}
}

func imageOfferBody(o image.Offer) api.AvailableImage {
	e := o.Entry
	return api.AvailableImage{
		Name: e.Name, State: string(o.State), Ref: e.Ref, Digest: e.Digest, Make: e.Make, Kernel: e.Kernel, PreferKernel: e.PreferKernel,
		MemoryBytes: e.MemoryBytes, DiskBytes: e.DiskBytes, Description: e.Description, Catalog: o.Origin.URL,
	}
}

func offerBody(o kernel.Offer) api.AvailableKernel {
	e := o.Entry
	body := api.AvailableKernel{
		Name: e.Name, State: string(o.State), Needs: o.Needs, Distro: e.Distro, Architecture: e.Arch, Version: e.KernelVersion,
		Description: e.Description, SizeBytes: e.SizeBytes, From: e.TarballURL, Catalog: o.Origin.URL,
	}
	if e.AptPackage != "" {
		body.From = "apt:" + e.AptPackage
	}
	if o.Local.Name != "" {
		body.Version = o.Local.Version
	}
	return body
}
