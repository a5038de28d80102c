package daemon

import (
	"cmp"
	"context"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/doctor"
	"github.com/bangervm/banger/internal/fault"
)

// Config implements server.Host.
func (d *daemon) Config(context.Context) api.Config {
	out := api.Config{File: d.dirs.ConfigFile()}
	cfg, from, err := config.Load(d.dirs)
	if err != nil {
		p := fault.ProblemOf(err)
		cfg, from, out.Problem = config.Default(), nil, &p
	}
	for _, key := range config.Keys() {
		out.Settings = append(out.Settings, api.Setting{
			Key: key.Name, Value: key.Value(cfg), TOML: key.TOML(cfg), Env: key.Env,
			Source: cmp.Or(from[key.Name], config.FromDefault), Side: string(key.Side), Doc: key.Doc,
		})
	}
	return out
}

// Doctor implements server.Host.
func (d *daemon) Doctor(ctx context.Context) api.DoctorReport {
	cfg, _, configErr := config.Load(d.dirs)
	if configErr != nil {
		cfg = config.Default()
	}
	world := doctor.Host(d.dirs, d.dirs.Socket(), d.host.vmm, doctor.Settings{
		Drivers: cfg.Drivers(), Agent: d.host.set.agent, DefaultImage: cfg.VM.Image, MemoryBytes: int64(cfg.VM.Memory),
		Catalogs: cfg.CatalogSources(), Presets: cfg.Presets(),
	})
	world.Daemon = func(context.Context) (doctor.Daemon, error) {
		names, problem := d.namesState()
		return doctor.Daemon{Version: d.build.Version, Names: names, NamesProblem: problem}, nil
	}
	report := doctor.Run(ctx, world)
	report.Add(doctor.Config(d.dirs.ConfigFile(), cfg.SSHKey, configErr))
	out := api.DoctorReport{Status: string(report.Status)}
	for _, c := range report.Checks {
		check := api.DoctorCheck{Name: c.Name, Status: string(c.Status), Reason: c.Reason}
		check.Remedy, check.RemedyParts = c.Remedy.Wire()
		out.Checks = append(out.Checks, check)
	}
	return out
}
