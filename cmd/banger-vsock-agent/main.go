// Command banger-vsock-agent is the guest's side of banger: the initramfs's
// /init, and from then on the host's agent.
package main

import (
	"os"

	"github.com/bangervm/banger/internal/agent"
)

func main() { os.Exit(agent.Main(os.Args[1:])) }
