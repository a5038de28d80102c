package stream

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// stuckWriter takes the first bytes, and then tells how many it was given and
// waits for its turn to end.
type stuckWriter struct {
	first bool
	given chan<- int
	end   <-chan struct{}
}

func (s *stuckWriter) Write(p []byte) (int, error) {
	if !s.first {
		s.first = true
		return len(p), nil
	}
	s.given <- len(p)
	<-s.end
	return 0, io.ErrClosedPipe
}

func (*stuckWriter) Close() error { return nil }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A guest can have thousands of connections that nobody reads: not each of them
// holds a large buffer.
func TestDirectionsThatNobodyReadsHoldAFewLargeBuffers(t *testing.T) {
	before := larges.Load()
	const directions = maxLarge + 200
	given, end := make(chan int), make(chan struct{})
	var tasks sync.WaitGroup
	for range directions {
		tasks.Go(func() { _ = Copy(&stuckWriter{given: given, end: end}, endless{}) })
	}
	large := 0
	for range directions {
		if <-given > SmallBuffer {
			large++
		}
	}
	if large == 0 || large > maxLarge {
		t.Errorf("%d of %d directions hold a large buffer", large, directions)
	}
	close(end)
	tasks.Wait()
	if left := larges.Load(); left != before {
		t.Errorf("%d large buffers are not given back", left-before)
	}
}

// sizes is a reader that fills what it is given as often as full says, then gives
// one byte, and notes how much room each read had.
type sizes struct {
	full  int
	rooms []int
}

func (s *sizes) Read(p []byte) (int, error) {
	s.rooms = append(s.rooms, len(p))
	switch s.full--; {
	case s.full >= 0:
		return len(p), nil
	case s.full == -1:
		return 1, nil
	default:
		return 0, io.EOF
	}
}

type sink struct {
	strings.Builder
	closed, half int
	err          error
	short        bool
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.short {
		p = p[1:]
	}
	return s.Builder.Write(p)
}

func (s *sink) Close() error { s.closed++; return nil }

type halfSink struct{ sink }

func (s *halfSink) CloseWrite() error { s.half++; return errors.New("it is gone") }

func TestCopyHoldsALargeBufferWhileItIsBusyOnly(t *testing.T) {
	src := &sizes{full: 2}
	if err := Copy(&sink{}, src); err != nil {
		t.Fatal(err)
	}
	want := []int{SmallBuffer, largeBuffer, largeBuffer, SmallBuffer}
	for i, room := range src.rooms {
		if len(src.rooms) != len(want) || room != want[i] {
			t.Fatalf("room for %d, want %d", src.rooms, want)
		}
	}
	if held := larges.Load(); held != 0 {
		t.Errorf("%d large buffers are held", held)
	}
}

func TestCopyPassesOnBytesAndTheEnd(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	half := &halfSink{}
	if err := Copy(half, iotest.DataErrReader(strings.NewReader(text))); err != nil || half.String() != text {
		t.Errorf("%d bytes of %d, %v", half.Len(), len(text), err)
	}
	if half.half != 1 || half.closed != 0 {
		t.Errorf("half closed %d times and closed %d times", half.half, half.closed)
	}
	whole := &sink{}
	if err := Copy(whole, strings.NewReader(text)); err != nil || whole.closed != 1 || whole.String() != text {
		t.Errorf("%d bytes, closed %d times, %v", whole.Len(), whole.closed, err)
	}
}

func TestCopyFailsAndPassesOnNoEnd(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		dst  *halfSink
		src  io.Reader
		want error
	}{
		"a read":        {&halfSink{}, io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), broken},
		"a write":       {&halfSink{sink{err: broken}}, strings.NewReader("x"), broken},
		"a short write": {&halfSink{sink{short: true}}, strings.NewReader("x"), io.ErrShortWrite},
	} {
		if err := Copy(c.dst, c.src); !errors.Is(err, c.want) || c.dst.half+c.dst.closed != 0 {
			t.Errorf("%s: %v, half closed %d times, closed %d times", name, err, c.dst.half, c.dst.closed)
		}
	}
}
