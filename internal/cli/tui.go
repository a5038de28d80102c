package cli

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/tui"
)

func (a *App) tuiCommand() *cobra.Command {
	var tab string
	var report int
	cmd := &cobra.Command{
		Use: "tui", Short: "Open the terminal UI",
		Long: "Open the terminal UI: VMs, sessions, images, kernels, operations, egress and events, as they change.\n\n" +
			"Press ? for the keys. [tui.keys] in config.toml changes them.",
		Example: "  banger tui\n  banger tui --tab sessions",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.tui(cmd.Context(), tab, report, commandsOf(cmd.Root(), ""))
		},
	}
	cmd.Flags().StringVar(&tab, "tab", "vms", "open this tab: "+strings.Join(tui.Tabs(), ", "))
	cmd.Flags().IntVar(&report, reportFlag, 0, "descriptor to report to; given by the parent")
	_ = cmd.Flags().MarkHidden(reportFlag) // it is there
	complete(cmd, "tab", tui.Tabs()...)
	return cmd
}

// tui runs the terminal UI in a child; it is the child where there is a descriptor to report to.
func (a *App) tui(ctx context.Context, tab string, report int, commands []string) error {
	if !slices.Contains(tui.Tabs(), tab) {
		return &usageError{message: "unknown tab " + quote(tab), hint: "use " + strings.Join(tui.Tabs(), ", ")}
	}
	if !isTerminal(a.In) || !isTerminal(a.Out) || a.getenv("TERM") == "dumb" {
		return fault.New(fault.Invalid, "the terminal UI needs a terminal").WithHint("to print what changes: banger events -f")
	}
	if report == 0 {
		return a.tuiParent(ctx, tab)
	}
	up, err := reportAt(report)
	if err != nil {
		return err
	}
	return a.tuiChild(ctx, tab, up, commands)
}

func (a *App) tuiChild(ctx context.Context, tab string, up reporter, commands []string) error {
	cfg, _, err := loadConfig()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c, err := a.lastingDaemon()
	if err != nil {
		return err
	}
	defer c.Close()
	follower, err := a.present()
	if err != nil {
		return err
	}
	defer follower.Close()
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	a.signals.outlive()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	up.held()
	defer up.released()
	return tui.Run(ctx, tui.Options{
		API: c,
		Events: func(ctx context.Context, lost func(error)) iter.Seq2[api.Event, error] {
			return follower.Events(ctx, client.EventOptions{Kinds: api.EventKinds(), Lost: lost})
		},
		Terminal: &handover{app: a, self: self, report: up, ctx: ctx, end: cancel},
		Bindings: tuiBindings(cfg.TUI), Defaults: tuiDefaults(cfg), Commands: commands, Now: time.Now, Dir: dir, Tab: tab,
		Colour: a.getenv("NO_COLOR") == "", ASCII: !a.utf8(),
	}, a.In, a.Out)
}

// utf8 reports whether the terminal's character set is UTF-8, as the locale says.
func (a *App) utf8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(a.getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}

// tuiBindings are the configured keys, as the terminal UI names them.
func tuiBindings(t config.TUI) []tui.Binding {
	var all []tui.Binding
	for _, action := range config.TUIActions() {
		keys := t.Bound(action)
		for i, key := range keys {
			for _, modifier := range []string{"ctrl", "alt", "shift"} {
				if rest, ok := strings.CutPrefix(key, modifier+"-"); ok {
					keys[i] = modifier + "+" + rest
				}
			}
		}
		all = append(all, tui.Binding{Action: action.Name, Keys: keys, Doc: action.Doc})
	}
	return all
}

// commandsOf are the commands below cmd, as they are typed behind before.
func commandsOf(cmd *cobra.Command, before string) []string {
	var all []string
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		if c.Runnable() {
			all = append(all, before+c.Name())
		}
		all = append(all, commandsOf(c, before+c.Name()+" ")...)
	}
	return all
}

// tuiDefaults are what a new VM has: the configuration that goes along with each request.
func tuiDefaults(c config.Config) tui.Defaults {
	return tui.Defaults{
		Image: c.VM.Image, VCPU: strconv.Itoa(c.VM.VCPU), Memory: c.VM.Memory.String(), Disk: c.VM.Disk.String(),
		Network: api.NetworkUser, Egress: c.Network.Egress,
	}
}

// tuiKeysText says which actions have other keys than by default.
func tuiKeysText(c config.Config) string {
	var all []string
	for _, action := range slices.Sorted(maps.Keys(c.TUI.Keys)) {
		all = append(all, action+"="+c.TUI.Keys[action])
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}
