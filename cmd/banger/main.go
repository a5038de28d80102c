// Command banger creates and runs virtual machines.
package main

import (
	"os"
	"runtime/debug"

	"github.com/bangervm/banger/internal/cli"
)

// gcPercent: a command lives for milliseconds, and has memory to spare.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	app := cli.App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Exit: os.Exit}
	os.Exit(app.Run(os.Args[1:]))
}
