package netstack

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"
)

// stuckReader takes the first bytes, and then tells how many it was given and
// waits for its turn to end.
type stuckReader struct {
	first bool
	given chan<- int
	end   <-chan struct{}
}

func (s *stuckReader) Write(p []byte) (int, error) {
	if !s.first {
		s.first = true
		return len(p), nil
	}
	s.given <- len(p)
	<-s.end
	return 0, io.ErrClosedPipe
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A guest can have thousands of connections that nobody reads: not each of them
// holds a large buffer.
func TestStreamsThatNobodyReadsHoldAFewLargeBuffers(t *testing.T) {
	before := larges.Load()
	const streams = maxLarge + 200
	given, end := make(chan int), make(chan struct{})
	var tasks sync.WaitGroup
	for range streams {
		tasks.Go(func() {
			var count atomic.Int64
			_ = pass(&stuckReader{given: given, end: end}, endless{}, &count)
		})
	}
	large := 0
	for range streams {
		if <-given > idleBuffer {
			large++
		}
	}
	if large == 0 || large > maxLarge {
		t.Errorf("%d of %d streams hold a large buffer", large, streams)
	}
	close(end)
	tasks.Wait()
	if left := larges.Load(); left != before {
		t.Errorf("%d large buffers are not given back", left-before)
	}
}
