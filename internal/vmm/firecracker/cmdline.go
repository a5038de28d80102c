package firecracker

import (
	"strings"

	"github.com/bangervm/banger/internal/vmm"
)

// maxCommandLine is the longest command line that Firecracker takes on amd64, in
// bytes with the NUL. It appends words of its own.
const maxCommandLine = 2048

// commandLine is the kernel's. Firecracker appends pci=off by itself.
func commandLine(spec vmm.Spec, console bool) string {
	var line []string
	if console {
		// The console is a log and nobody types there: systemd would wait a minute
		// and a half for its device in an image without udev.
		line = append(line, "console=ttyS0", "systemd.getty_auto=no")
	} else {
		line = append(line, "8250.nr_uarts=0") // a port that nobody reads costs an exit a byte
	}
	line = append(
		line,
		"quiet", "loglevel=4", // each byte on the console is an exit, too
		"reboot=k", "panic=-1", // the keyboard controller's reset is what ends Firecracker
		"random.trust_cpu=on", "cryptomgr.notests",
		// The controller has a keyboard, which knows ctrl-alt-del and nothing else:
		// probing for a mouse, for more ports or for LEDs takes its time.
		"i8042.noaux", "i8042.nomux", "i8042.dumbkbd",
		"swiotlb=noforce", // no device needs bounce buffers
	)
	if spec.CmdlineExtra != "" {
		line = append(line, spec.CmdlineExtra)
	}
	return strings.Join(line, " ")
}
