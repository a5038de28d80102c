package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"
)

// block is what is written and read at once, in bytes.
const block = 256 << 10

// send writes as many bytes, waits until the peer has them all, and prints the
// milliseconds.
func send(ctx context.Context, args []string) (string, error) {
	conn, n, err := dialFor(ctx, args)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	for data := make([]byte, block); n > 0; n -= block {
		if _, err := conn.Write(data[:min(n, block)]); err != nil {
			return "", err
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return "", err
	}
	return strconv.FormatInt(time.Since(begun).Milliseconds(), 10), nil
}

// receive reads to the end, and prints the milliseconds.
func receive(ctx context.Context, args []string) (string, error) {
	conn, err := dial(ctx, "tcp", arg(args, 0))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	if _, err := fmt.Fprintf(conn, "%s\n", arg(args, 1)); err != nil {
		return "", err
	}
	data := make([]byte, block)
	for {
		if _, err := conn.Read(data); errors.Is(err, io.EOF) {
			return strconv.FormatInt(time.Since(begun).Milliseconds(), 10), nil
		} else if err != nil {
			return "", err
		}
	}
}

// connects prints the median of N connects, one after the other, in microseconds.
func connects(ctx context.Context, args []string) (string, error) {
	n, err := strconv.Atoi(arg(args, 1))
	if err != nil || n < 1 {
		return "", fmt.Errorf("%q connects: %w", arg(args, 1), err)
	}
	took := make([]time.Duration, n)
	for i := range n {
		begun := time.Now()
		conn, err := dial(ctx, "tcp", arg(args, 0))
		if err != nil {
			return "", err
		}
		took[i] = time.Since(begun)
		if err := conn.Close(); err != nil {
			return "", err
		}
	}
	slices.Sort(took)
	return strconv.FormatInt(took[n/2].Microseconds(), 10), nil
}

// sink reads each connection to its end, and then says so by closing it.
func sink(ctx context.Context, args []string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", arg(args, 0))
	if err != nil {
		return "", err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return "", err
		}
		go func() {
			defer func() { _ = conn.Close() }()
			data := make([]byte, block)
			for {
				if _, err := conn.Read(data); err != nil {
					return
				}
			}
		}()
	}
}

// hold opens N connections and keeps them until it is killed.
func hold(ctx context.Context, args []string) (string, error) {
	n, err := strconv.Atoi(arg(args, 1))
	if err != nil {
		return "", err
	}
	for range n {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", arg(args, 0))
		if err != nil {
			return "", err
		}
		defer func() { _ = conn.Close() }()
	}
	fmt.Println("held") //nolint:forbidigo // it is what the bench waits for
	<-ctx.Done()
	return "", nil
}
