package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// maxConsole bounds console.log, in bytes; with the one before it, console.log.1,
// a VM's console takes at most twice that.
const maxConsole = 8 << 20

// tailBytes is how much of the console is kept for messages.
const tailBytes = 2 << 10

// consoleLog writes a guest's console to a file of bounded size: when that is
// full it becomes path.1, in place of the one before. A full disk loses
// output; it does not stop the guest. It is safe for concurrent use.
type consoleLog struct {
	path  string
	limit int64

	mu   sync.Mutex
	file *os.File
	size int64
	tail []byte
}

// openConsole begins the log of a new start; what is there becomes path.1.
func openConsole(path string, limit int64) (*consoleLog, error) {
	c := &consoleLog{path: path, limit: limit}
	if err := c.rotate(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *consoleLog) rotate() error {
	if c.file != nil {
		if err := c.file.Close(); err != nil {
			return err
		}
		c.file = nil
	}
	if err := os.Rename(c.path, c.path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("rotate the console's log: %w", err)
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the console's log: %w", err)
	}
	c.file, c.size = f, 0
	return nil
}

// Write is io.Writer; it takes all of p always.
func (c *consoleLog) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tail = append(c.tail, p...)
	if over := len(c.tail) - tailBytes; over > 0 {
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
	if c.file == nil || c.size+int64(len(p)) > c.limit {
		if c.rotate() != nil {
			return len(p), nil
		}
	}
	n, _ := c.file.Write(p) // what a full disk does not take is lost
	c.size += int64(n)
	return len(p), nil
}

// Close closes the file.
func (c *consoleLog) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	err := c.file.Close()
	c.file = nil
	return err
}

// lastLines returns the last n lines that say something, as printable text.
func (c *consoleLog) lastLines(n int) string {
	c.mu.Lock()
	text := bytes.Clone(c.tail)
	c.mu.Unlock()
	var lines []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if line = strings.TrimSpace(printable(line)); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
