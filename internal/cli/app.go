// Package cli is banger's command line: thin glue that parses, calls the daemon's
// client, and prints.
//
// A verb has a file of its name: vm_*.go, session*.go, workspace*.go, image*.go,
// kernel.go, daemon*.go, and config.go, doctor.go, mcp.go, ssh_config.go, version.go.
// vm_life.go has start, stop, restart, delete and reset; vm_control.go has pause, resume, kill,
// set and ping. What they share:
//
//   - The tree: root.go (all commands, global flags), app.go (what a run has: streams,
//     environment, the daemon), completion.go, suggest.go (other tools' words), man.go.
//   - Help: help.go, help_text.go, flag_groups.go.
//   - Flags: flags.go, network_flags.go, publish_flag.go, run_args.go, detach_keys.go.
//   - What is printed: output.go (-o), table.go, human.go (sizes, ages), yaml.go,
//     escape.go and plain_text.go (words that may be a guest's), stages.go (progress),
//     errors.go and acts.go (errors, and hints as command lines).
//   - The terminal: screen.go, typing.go, typed_keys.go, signals.go, unread.go.
//   - The way to the daemon: fastclient.go, exec_stream.go.
package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// App is one invocation of banger and the world that it sees.
type App struct {
	In, Out, Err *os.File
	// LookupEnv reads the environment.
	LookupEnv func(key string) (string, bool)
	// Exit ends the process at once. It is called only for a second interrupt, and for one
	// while the terminal UI is suspended.
	Exit func(status int)

	signals  interrupts
	progress string // the value of --progress
	quiet    bool
	cold     bool  // no start goes on from a template
	misnamed error // an unknown command that help is asked for; cobra's help cannot fail
}

// Run does what args (without the program's name) say and returns the exit
// status. It handles SIGINT and SIGTERM while it runs: the first cancels what
// is under way and waits for its end, the second leaves at once.
func (a *App) Run(args []string) int {
	ctx, stop := a.signals.watch(context.Background(), a.Exit)
	defer stop()
	root := a.rootCommand()
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		plainUsages(root)
	}
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = a.misnamed
	}
	if err == nil {
		return 0
	}
	if wantsJSON(cmd) {
		a.printErrorJSON(err)
	} else {
		a.printError(err)
	}
	return exitStatus(err)
}

// getenv reads a variable; one that is not set is empty.
func (a *App) getenv(key string) string {
	value, _ := a.LookupEnv(key)
	return value
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// colour reports whether f may get escape sequences for colours.
func (a *App) colour(f *os.File) bool {
	return isTerminal(f) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

func (a *App) autostart() (autostart.Options, error) {
	dirs, err := statedir.FromEnv()
	if err != nil {
		return autostart.Options{}, err
	}
	return autostart.Options{
		Dirs: dirs, Self: buildinfo.Current(), Socket: a.getenv("BANGER_SOCKET"), Warn: a.Err,
	}, nil
}

// daemon returns a client of a daemon that answers and is not of an older
// build than this. It starts or replaces one where it must.
func (a *App) daemon(ctx context.Context) (*client.Client, error) {
	opts, err := a.configured()
	if err != nil {
		return nil, err
	}
	return autostart.Ensure(ctx, opts)
}

// fastDaemon is daemon without its round trip, where each counts: see
// autostart.Fast.
func (a *App) fastDaemon() (*client.Client, error) {
	opts, err := a.configured()
	if err != nil {
		return nil, err
	}
	return autostart.Fast(opts), nil
}

// lastingDaemon is for what outlives a daemon: see autostart.Lasting.
func (a *App) lastingDaemon() (*client.Client, error) {
	opts, err := a.configured()
	if err != nil {
		return nil, err
	}
	return autostart.Lasting(opts), nil
}

// present returns a client that never starts a daemon.
func (a *App) present() (*client.Client, error) {
	opts, err := a.autostart()
	if err != nil {
		return nil, err
	}
	return opts.Client(), nil
}

func socket(opts autostart.Options) string {
	if opts.Socket != "" {
		return opts.Socket
	}
	return opts.Dirs.Socket()
}

// configured is autostart for commands for which the configuration holds.
func (a *App) configured() (autostart.Options, error) {
	opts, err := a.autostart()
	opts.Settings = a.settings
	return opts, err
}

// settings is the configuration as it is sent to the daemon.
func (a *App) settings() (string, error) {
	cfg, _, err := loadConfig()
	if err != nil {
		return "", err
	}
	if a.cold {
		cfg.VM.Template = config.TemplateOff
	}
	agent := a.getenv("BANGER_AGENT")
	if agent != "" {
		if agent, err = absolutePath(agent); err != nil {
			return "", err
		}
	}
	return cfg.Encode(agent)
}

func loadConfig() (config.Config, config.Sources, error) {
	dirs, err := statedir.FromEnv()
	if err != nil {
		return config.Config{}, nil, err
	}
	cfg, from, err := config.Load(dirs)
	if err != nil {
		return cfg, nil, err
	}
	if err := cfg.CheckHost(from, hostCPUs(), hostMemory()); err != nil {
		return cfg, nil, err
	}
	if _, err := parseKeys(cfg.DetachKeys); err != nil {
		return cfg, nil, fault.Wrap(fault.Invalid, err, "detach_keys (%s)", from["detach_keys"]).WithHint("%s", fault.HintOf(err))
	}
	return cfg, from, nil
}
