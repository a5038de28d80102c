package server

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// maxNamed bounds the relayed streams that a refusal names.
const maxNamed = 5

// relays are the streams that pass through this daemon and would be cut with it,
// by what they are, in a user's words. Those that clients open again, and go on
// with, are not among them.
type relays struct {
	mu   sync.Mutex
	open map[*string]struct{}
}

// add notes a stream until the returned function is called.
func (r *relays) add(what string) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[*string]struct{}{}
	}
	key := &what
	r.open[key] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, key)
	}
}

// list names them, the same ones together, or is empty when there are none.
func (r *relays) list() (count int, names string) {
	r.mu.Lock()
	all := make([]string, 0, len(r.open))
	for what := range r.open {
		all = append(all, *what)
	}
	r.mu.Unlock()
	slices.Sort(all)
	var named []string
	for rest := all; len(rest) > 0; {
		same := 1
		for same < len(rest) && rest[same] == rest[0] {
			same++
		}
		what := rest[0]
		if same > 1 {
			what = fmt.Sprintf("%s (%d times)", what, same)
		}
		named = append(named, what)
		rest = rest[same:]
	}
	if more := len(named) - maxNamed; more > 0 {
		named = append(named[:maxNamed], fmt.Sprintf("%d more", more))
	}
	return len(all), strings.Join(named, ", ")
}
