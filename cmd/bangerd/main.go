// Command bangerd is banger's daemon, and the monitor of each of its VMs.
package main

import (
	"fmt"
	"os"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/daemon"
	"github.com/bangervm/banger/internal/monitor"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 0 {
		return daemon.Command(os.Stderr)
	}
	switch args[0] {
	case "monitor":
		return monitor.Command(args[1:], os.Stderr)
	case "version", "--version":
		build := buildinfo.Current()
		_, _ = fmt.Fprintf(os.Stdout, "bangerd %s %s\n", build.Version, build.Commit)
		return 0
	default:
		_, _ = fmt.Fprintln(os.Stderr, "usage: bangerd [monitor DIR | version]")
		return 2
	}
}
