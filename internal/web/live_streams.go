package web

import "sync"

// maxStreams and maxSessionStreams bound how many pages are live, and how many
// terminals are open: a live page has all that there is in memory.
const (
	maxStreams        = 32
	maxSessionStreams = 12
)

// streams counts the pages that are live, by their session.
type streams struct {
	mu    sync.Mutex
	all   int
	of    map[string]int
	ended sync.WaitGroup
}

// take counts a stream in until release is called; false: there are too many.
func (s *streams) take(session string) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.of[session] >= maxSessionStreams {
		return nil, false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.all++
	s.of[session]++
	s.ended.Add(1)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[session]--; s.of[session] == 0 {
			delete(s.of, session)
		}
		s.ended.Done()
	}), true
}
