// Command banger creates and runs virtual machines.
package main

import (
	"os"

	"github.com/bangervm/banger/internal/cli"
)

func main() {
	app := cli.App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Exit: os.Exit}
	os.Exit(app.Run(os.Args[1:]))
}
