package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sameInterrupt is how close two signals are one interrupt: timeout(1) signals
// a process, and then its group.
const sameInterrupt = 100 * time.Millisecond

// interrupts sends SIGINT and SIGTERM where they belong at the moment: to a
// command in a guest, or to banger's own work.
type interrupts struct {
	mu       sync.Mutex
	sink     func(os.Signal) // nil: banger's own
	incoming chan os.Signal
}

// outlive is for what must be tidied up also when the terminal is closed or
// nobody reads the output any more: the one is an interrupt then, the other an
// error of the write.
func (i *interrupts) outlive() {
	signal.Notify(i.incoming, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
}

// watch returns a context that the first interrupt cancels. The second calls
// exit. Interrupts that a sink takes do neither.
func (i *interrupts) watch(parent context.Context, exit func(int)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	var first time.Time
	incoming := make(chan os.Signal, 4)
	i.incoming = incoming
	signal.Notify(incoming, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-incoming:
				if sink := i.current(); sink != nil {
					sink(sig)
					continue
				}
				if ctx.Err() == nil {
					first = time.Now()
					cancel()
				} else if time.Since(first) > sameInterrupt {
					exit(statusCanceled)
				}
			}
		}
	}()
	return ctx, func() {
		signal.Stop(incoming)
		close(done)
		cancel()
	}
}

func (i *interrupts) current() func(os.Signal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sink
}

// divert sends interrupts to sink until release is called.
func (i *interrupts) divert(sink func(os.Signal)) (release func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.sink
	i.sink = sink
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.sink = before
	}
}
