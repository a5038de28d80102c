package process

import (
	"strings"
	"sync"

	"github.com/bangervm/banger/internal/plain"
)

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxSaid; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// last is the last line that says something, without the program's own name, which
// begins with self.
func (t *tail) last(self string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.buf)), "\n")
	line := plain.Line(lines[len(lines)-1], maxSaid)
	if name, rest, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(name, self) {
		line = rest
	}
	return strings.TrimSpace(line)
}
