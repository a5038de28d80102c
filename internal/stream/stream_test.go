package stream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/stream"
)

// pair is both ends of a TCP connection over the loopback.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if near, err = net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if far, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	limit := time.Now().Add(20 * time.Second)
	for _, c := range []*net.TCPConn{near, far} {
		_ = c.SetDeadline(limit)
		t.Cleanup(func() { _ = c.Close() })
	}
	return near, far
}

// joined are the outer ends of two connections that Join joins, and what it returns.
func joined(t *testing.T, ctx context.Context) (left, right *net.TCPConn, result <-chan error) {
	t.Helper()
	left, a := pair(t)
	b, right := pair(t)
	done := make(chan error, 1)
	go func() { done <- stream.Join(ctx, a, b) }()
	return left, right, done
}

func TestEachDirectionEndsByItself(t *testing.T) {
	left, right, result := joined(t, t.Context())
	question, answer := strings.Repeat("question", 50_000), strings.Repeat("answer", 50_000)
	go func() {
		_, _ = io.WriteString(left, question)
		_ = left.CloseWrite()
	}()
	if got, err := io.ReadAll(right); err != nil || string(got) != question {
		t.Fatalf("%d bytes of the question, %v", len(got), err)
	}
	go func() {
		_, _ = io.WriteString(right, answer) // long after the other direction's end
		_ = right.CloseWrite()
	}()
	if got, err := io.ReadAll(left); err != nil || string(got) != answer {
		t.Fatalf("%d bytes of the answer, %v", len(got), err)
	}
	if err := <-result; err != nil {
		t.Errorf("Join: %v", err)
	}
}

func TestAFailureEndsBoth(t *testing.T) {
	left, right, result := joined(t, t.Context())
	_ = right.SetLinger(0)
	_ = right.Close() // which resets it
	if _, err := io.ReadAll(left); err != nil {
		t.Errorf("the other end: %v", err)
	}
	if err := <-result; err == nil {
		t.Error("Join says nothing of a reset")
	}
}

func TestTheEndOfTheContextEndsBoth(t *testing.T) {
	why := errors.New("the VM stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	left, right, result := joined(t, ctx)
	if _, err := io.WriteString(left, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(right, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel(why)
	if err := <-result; !errors.Is(err, why) {
		t.Errorf("Join: %v", err)
	}
	for _, conn := range []net.Conn{left, right} {
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("an end goes on: %d bytes, %v", n, err)
		}
	}
}

// An end without a half close is closed: the other one of it is not left waiting.
func TestWithoutAHalfCloseTheEndIsPassedOnToo(t *testing.T) {
	a, left := net.Pipe()
	b, right := net.Pipe()
	result := make(chan error, 1)
	go func() { result <- stream.Join(t.Context(), a, b) }()
	_ = left.Close()
	if _, err := right.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other end: %v", err)
	}
	if err := <-result; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Join: %v", err)
	}
}

func TestBothCutsOnceAndKeepsTheFirstFailure(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	stop := make(chan struct{})
	cuts := 0
	err := stream.Both(t.Context(),
		func() error { <-stop; return second },
		func() error { return first },
		func(why error) {
			cuts++
			if !errors.Is(why, first) {
				t.Errorf("cut for %v", why)
			}
			close(stop)
		})
	if !errors.Is(err, first) || cuts != 1 {
		t.Errorf("%v, %d cuts", err, cuts)
	}
}

// What ends with the directions ends nothing more after they have.
func TestBothCutsNothingAfterItsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	nothing := func() error { return nil }
	if err := stream.Both(ctx, nothing, nothing, func(error) { t.Error("cut") }); err != nil {
		t.Error(err)
	}
	cancel()
}

func TestBufferedGivesWhatWasReadFirst(t *testing.T) {
	near, far := pair(t)
	if _, err := io.WriteString(far, "head\nheld"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(near)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Peek(4); err != nil {
		t.Fatal(err)
	}
	conn := stream.Buffered(near, r)
	_, _ = io.WriteString(far, " and more")
	one := make([]byte, 1)
	if _, err := io.ReadFull(conn, one); err != nil || one[0] != 'h' {
		t.Fatalf("%q, %v", one, err)
	}
	rest := make([]byte, len("eld and more"))
	if _, err := io.ReadFull(conn, rest); err != nil || string(rest) != "eld and more" {
		t.Errorf("%q, %v", rest, err)
	}
	if err := stream.CloseWrite(conn); err != nil {
		t.Error(err)
	}
	if _, err := far.Read(one); !errors.Is(err, io.EOF) {
		t.Errorf("the end is not passed on: %v", err)
	}
	_, _ = io.WriteString(far, "x")
	if _, err := io.ReadFull(conn, one); err != nil || one[0] != 'x' {
		t.Errorf("the other half ended too: %q, %v", one, err)
	}
}

func TestBufferedIsTheConnectionItselfWhenNothingIsHeld(t *testing.T) {
	near, _ := net.Pipe()
	defer func() { _ = near.Close() }()
	if got := stream.Buffered(near, bufio.NewReader(near)); got != near {
		t.Errorf("%T", got)
	}
}

func TestLingeringFromThenOnOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = time.Minute
		near, far := net.Pipe()
		defer func() { _, _ = near.Close(), far.Close() }()
		conn := stream.NewLingering(near, limit)
		read := make(chan error)
		next := func() {
			go func() {
				_, err := conn.Read(make([]byte, 1))
				read <- err
			}()
		}
		next()
		time.Sleep(10 * limit) //nolint:forbidigo // the bubble's clock
		conn.Linger()
		if _, err := far.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := <-read; err != nil {
			t.Errorf("before the limit: %v", err)
		}
		for range 3 { // each read has the whole limit
			next()
			time.Sleep(limit - time.Second) //nolint:forbidigo // the bubble's clock
			if _, err := far.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := <-read; err != nil {
				t.Errorf("within the limit: %v", err)
			}
		}
		next()
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the limit: %v", err)
		}
	})
}
