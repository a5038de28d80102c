package monitor

import (
	"fmt"
	"io"
)

// Command is `bangerd monitor DIR`: it runs the monitor of the VM whose
// directory is args[0] until that VM has ended, and returns the process's exit
// status. stderr gets usage errors and the log.
func Command(args []string, stderr io.Writer) int {
	_, _ = fmt.Fprintln(stderr, "bangerd monitor: not there yet", args)
	return 1
}
