// Command bangerd is banger's daemon, and the monitor of each of its VMs.
package main

import (
	"fmt"
	"os"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/daemon"
	"github.com/bangervm/banger/internal/monitor"
	"github.com/bangervm/banger/internal/portkeep"
)

const usage = `bangerd is banger's daemon. banger starts it when it needs it; so can systemd.

Usage:
  bangerd                serve until SIGTERM; log to stderr
  bangerd monitor DIR    run the VM in DIR (bangerd starts this itself)
  bangerd kernel-bundle NAME DIR
                         pack a local kernel for a catalog, into DIR
  bangerd version        print the version

The configuration is that of banger: see banger config show, and banger daemon --help.
`

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 0 {
		return daemon.Command(os.Stderr)
	}
	switch args[0] {
	case "monitor":
		return monitor.Command(args[1:], os.Stderr)
	case "confine":
		return confine.Command(args[1:], os.Stderr)
	case portkeep.Verb:
		return portkeep.Command(args[1:], os.Stderr)
	case "kernel-bundle":
		return daemon.BundleCommand(args[1:], os.Stdout, os.Stderr)
	case "version", "--version":
		build := buildinfo.Current()
		_, _ = fmt.Fprintf(os.Stdout, "bangerd %s %s\n", build.Version, build.Commit)
		return 0
	case "--help", "-h", "help":
		_, _ = fmt.Fprint(os.Stdout, usage)
		return 0
	default:
		_, _ = fmt.Fprint(os.Stderr, usage)
		return 2
	}
}
