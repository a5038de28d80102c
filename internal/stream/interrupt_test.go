package stream_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"

	"github.com/bangervm/banger/internal/stream"
)

func TestInterruptEndsAReadWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		stop := stream.Interrupt(ctx, near.SetReadDeadline)
		read := make(chan error)
		go func() {
			_, err := near.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the read: %v", err)
		}
		if stop() {
			t.Error("stop says that the context did not end first")
		}
	})
}

func TestAStoppedInterruptLeavesTheConnectionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		if stop := stream.Interrupt(ctx, near.SetDeadline); !stop() {
			t.Error("stop says that the context ended first")
		}
		cancel()
		synctest.Wait()
		go func() { _, _ = far.Write([]byte("x")) }()
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Errorf("a read after stop: %v", err)
		}
	})
}
