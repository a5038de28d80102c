package monitor

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/bangervm/banger/internal/boundlog"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/vm"
)

// tailBytes is how much of the console is kept for messages: as much as a panic
// takes, whose reason comes before its traces.
const tailBytes = 16 << 10

// consoleLog is the log of a guest's console, and remembers the last of it.
type consoleLog struct {
	*boundlog.File

	mu   sync.Mutex
	tail []byte
}

// openConsole begins the log of a new start; what is there becomes path.1.
func openConsole(path string, limit int64) (*consoleLog, error) {
	l, err := boundlog.Begin(path, limit)
	if err != nil {
		return nil, err
	}
	return &consoleLog{File: l}, nil
}

// of is what takes a guest's console; nil: the guest has none.
func (c *consoleLog) of(spec vm.Spec) io.Writer {
	if spec.NoConsole {
		return nil
	}
	return c
}

// Write is io.Writer; it takes all of p always.
func (c *consoleLog) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.tail = append(c.tail, p...)
	if over := len(c.tail) - tailBytes; over > 0 {
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
	c.mu.Unlock()
	return c.File.Write(p)
}

// lastLines returns the last n lines that say something, as printable text.
func (c *consoleLog) lastLines(n int) string {
	c.mu.Lock()
	text := bytes.Clone(c.tail)
	c.mu.Unlock()
	var shown strings.Builder
	_, _ = plain.NewWriter(&shown, false).Write(text) // into memory: no error
	var lines []string
	for line := range strings.SplitSeq(shown.String(), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
