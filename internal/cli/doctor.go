package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/doctor"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/vmm"
)

func (a *App) doctorCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check that this host can run VMs",
		Long: "Check that this host can run VMs and print how to fix each problem. This command changes nothing. The daemon need not\n" +
			"be running. The exit status is 1 if a check fails.\n\n" +
			"Each check is ok, info (nothing to fix), warn (banger works, but not as well as it could) or fail (no VM can run).",
		Example: "  banger doctor\n  banger doctor -o json",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), *f) },
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) doctor(ctx context.Context, f format) error {
	opts, err := a.autostart()
	if err != nil {
		return err
	}
	cfg, _, configErr := loadConfig()
	if configErr != nil {
		cfg = config.Default()
	}
	world := doctor.Host(opts.Dirs, socket(opts), vmm.ThisHost(), doctor.Settings{
		Drivers: cfg.Drivers(), Agent: a.getenv("BANGER_AGENT"),
		DefaultImage: cfg.VM.Image, MemoryBytes: int64(cfg.VM.Memory),
		Catalogs: cfg.CatalogSources(), Presets: cfg.Presets(),
	})
	world.Daemon = func(ctx context.Context) (doctor.Daemon, error) {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		c := opts.Client()
		defer c.Close()
		conn, err := c.Dial(ctx) // for its plain error, which says whether one runs
		if err != nil {
			return doctor.Daemon{}, err
		}
		_ = conn.Close()
		ping, err := c.Ping(ctx)
		return doctor.Daemon{Version: ping.Version, Names: ping.Names, NamesProblem: ping.NamesProblem}, err
	}
	report := doctor.Run(ctx, world)
	report.Add(doctor.Config(opts.Dirs.ConfigFile(), cfg.SSHKey, configErr))
	if err := a.printReport(f, report); err != nil {
		return err
	}
	if report.Status == doctor.Fail {
		return &statusError{status: statusFailed}
	}
	return nil
}

// reportView is a report as -o json has it.
type reportView struct {
	Status doctor.Status `json:"status"`
	Checks []checkView   `json:"checks"`
}

type checkView struct {
	Name   string        `json:"name"`
	Status doctor.Status `json:"status"`
	Reason string        `json:"reason"`
	Remedy string        `json:"remedy"`
}

func viewReport(report doctor.Report) reportView {
	view := reportView{Status: report.Status, Checks: make([]checkView, len(report.Checks))}
	for i, c := range report.Checks {
		view.Checks[i] = checkView{Name: c.Name, Status: c.Status, Reason: c.Reason, Remedy: c.Remedy.Word(cmdline.Line)}
	}
	return view
}

func (a *App) printReport(f format, report doctor.Report) error {
	switch f {
	case formatJSON, formatYAML:
		return a.printValue(f, viewReport(report))
	case formatName:
		var names strings.Builder
		for _, c := range report.Checks {
			names.WriteString(c.Name + "\n")
		}
		return a.print(names.String())
	}
	var text strings.Builder
	text.WriteString(renderTable(report.Checks, []column[doctor.Finding]{
		{head: "CHECK", cell: func(c doctor.Finding) string { return c.Name }},
		{head: "STATUS", cell: func(c doctor.Finding) string { return string(c.Status) }, tint: checkTint},
		{head: "REASON", cell: func(c doctor.Finding) string { return c.Reason }},
	}, a.colour(a.Out)))
	gap := "\n"
	for _, c := range report.Checks {
		if len(c.Remedy) > 0 {
			text.WriteString(gap + c.Name + ": " + plain.Line(c.Remedy.Word(cmdline.Line), maxShown) + "\n")
			gap = ""
		}
	}
	return a.print(text.String())
}

func checkTint(c doctor.Finding) string {
	switch c.Status {
	case doctor.OK:
		return "32"
	case doctor.Info:
		return "36"
	case doctor.Warn:
		return "33"
	default:
		return "31"
	}
}
