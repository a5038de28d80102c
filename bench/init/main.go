// Command init is the trivial /init that a bare boot is measured with: it says
// that it is there, and waits to be killed.
package main

import (
	"os"
	"syscall"
)

func main() {
	if _, err := os.Stdout.WriteString("bench-init-up\n"); err != nil {
		os.Exit(1)
	}
	for {
		if err := syscall.Pause(); err != nil {
			continue
		}
	}
}
