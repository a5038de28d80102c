package hostinfo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// cpuLines are those of /proc/cpuinfo that tell one model of a CPU, with what it can do and
// its microcode, from another: of amd64, then of arm64.
func cpuLines() []string {
	return []string{
		"vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "flags", "bugs",
		"Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
	}
}

// CPU is the model of the host's first CPU, as text that another model has not.
func CPU() (string, error) { return cpuOf("/proc/cpuinfo") }

func cpuOf(path string) (string, error) {
	info, err := readProc(path)
	if err != nil {
		return "", fmt.Errorf("look at the host's CPU: %w", err)
	}
	first, _, _ := bytes.Cut(info, []byte("\n\n"))
	names := cpuLines()
	var said []string
	for line := range strings.Lines(string(first)) {
		name, value, _ := strings.Cut(line, ":")
		if slices.Contains(names, strings.TrimSpace(name)) {
			said = append(said, strings.TrimSpace(name)+": "+strings.TrimSpace(value))
		}
	}
	if len(said) == 0 {
		return "", fmt.Errorf("look at the host's CPU: %s says nothing of it", path)
	}
	return strings.Join(said, "\n"), nil
}
