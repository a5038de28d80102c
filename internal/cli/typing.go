package cli

import (
	"sync"
	"time"
)

// escapeWait is how long the rest of an escape sequence may take to come, as
// editors have it: then it was the escape key.
const escapeWait = 50 * time.Millisecond

// typing passes on what is typed on a terminal, until the detach keys.
type typing struct {
	keys  *detacher
	write func(p []byte) (int, error)
	leave func() // the keys were typed

	mu    sync.Mutex // also held while writing, for the order
	timer *time.Timer
	over  bool
}

// typed takes what was read, and reports whether more is wanted.
func (t *typing) typed(p []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.over {
		return false
	}
	pass, detached := t.keys.feed(p)
	t.pass(pass, detached)
	if !t.over && t.keys.unclear() {
		t.timer = time.AfterFunc(escapeWait, t.expire)
	}
	return !t.over
}

func (t *typing) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || !t.keys.unclear() {
		return
	}
	pass, detached := t.keys.expire()
	t.pass(pass, detached)
}

// pass is called with mu held.
func (t *typing) pass(p []byte, detached bool) {
	if len(p) > 0 {
		if _, err := t.write(p); err != nil {
			t.over = true
			return
		}
	}
	if detached {
		t.over = true
		t.leave()
	}
}

// end says that nothing more is typed.
func (t *typing) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.timer != nil {
		t.timer.Stop()
	}
}
