package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh/agent"
)

func get(ctx context.Context, args []string) (string, error) {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if to := arg(args, 1); to != "" {
				addr = to
			}
			return dialer().DialContext(ctx, network, addr)
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, arg(args, 0), nil)
	if err != nil {
		return "", err
	}
	if host := arg(args, 2); host != "" {
		req.Host = host
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return strings.TrimSpace(string(body)), err
}

func tlsHello(ctx context.Context, args []string) (string, error) {
	d := tls.Dialer{Config: &tls.Config{ServerName: arg(args, 1), InsecureSkipVerify: true}}
	conn, err := d.DialContext(ctx, "tcp", arg(args, 0))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// dialer takes one address of a name after the other: a race of IPv4 and IPv6 would
// be another's on a slow machine.
func dialer() *net.Dialer { return &net.Dialer{FallbackDelay: -1} }

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := dialer().DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		return conn, conn.SetDeadline(deadline)
	}
	return conn, nil
}

func tcp(ctx context.Context, args []string) (string, error) {
	conn, err := dial(ctx, "tcp", arg(args, 0))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, arg(args, 1)); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	got, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	return strings.TrimSpace(string(got)), err
}

func exchange(ctx context.Context, addr string, payload []byte) ([]byte, error) {
	conn, err := dial(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(4 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(payload); err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	n, err := conn.Read(buf)
	return buf[:n], err
}

func udp(ctx context.Context, args []string) (string, error) {
	got, err := exchange(ctx, arg(args, 0), []byte(arg(args, 1)))
	return string(got), err
}

// fragment sends more than one packet of the ordinary Internet holds.
func fragment(ctx context.Context, args []string) (string, error) {
	payload := bytes.Repeat([]byte("x"), 60000)
	got, err := exchange(ctx, arg(args, 0), payload)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(got, payload) {
		return "", fmt.Errorf("%d bytes came back, not the %d that went", len(got), len(payload))
	}
	return strconv.Itoa(len(got)), nil
}

// dialFor reads the arguments ADDR BYTES, and connects.
func dialFor(ctx context.Context, args []string) (net.Conn, int64, error) {
	n, err := strconv.ParseInt(arg(args, 1), 10, 64)
	if err != nil {
		return nil, 0, err
	}
	conn, err := dial(ctx, "tcp", arg(args, 0))
	return conn, n, err
}

// upload's peer answers with the hex of what it got, after the end of it.
func upload(ctx context.Context, args []string) (string, error) {
	conn, n, err := dialFor(ctx, args)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	sum := sha256.New()
	if _, err := io.CopyBuffer(io.MultiWriter(conn, sum), io.LimitReader(&pattern{}, n), make([]byte, 64<<10)); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<10))
	if err != nil {
		return "", err
	}
	return compare(sum.Sum(nil), strings.TrimSpace(string(answer)))
}

// download's peer sends as many bytes as the first line says, then their hash.
func download(ctx context.Context, args []string) (string, error) {
	conn, n, err := dialFor(ctx, args)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "%d\n", n); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, conn, n); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<10))
	if err != nil {
		return "", err
	}
	return compare(sum.Sum(nil), strings.TrimSpace(string(answer)))
}

func compare(sum []byte, want string) (string, error) {
	if got := hex.EncodeToString(sum); got != want {
		return "", fmt.Errorf("the hash is %s here and %s there", got, want)
	}
	return "equal", nil
}

// pattern is bytes that do not repeat within a packet.
type pattern struct{ at uint32 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at * 2654435761 >> 24)
		p.at++
	}
	return len(b), nil
}

func many(ctx context.Context, args []string) (string, error) {
	n, err := strconv.Atoi(arg(args, 1))
	if err != nil {
		return "", err
	}
	conns := make([]net.Conn, n)
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { conns[i], errs[i] = dial(ctx, "tcp", arg(args, 0)) })
	}
	all.Wait()
	for i, conn := range conns { // all are open now
		if conn != nil {
			all.Go(func() { errs[i] = echo(conn, "connection "+strconv.Itoa(i)) })
		}
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return strconv.Itoa(n), nil
}

func echo(conn net.Conn, text string) error {
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("sent %q, got %q", text, got)
	}
	return nil
}

// keys prints the comments of the keys that the SSH agent has.
func keys(ctx context.Context, _ []string) (string, error) {
	conn, err := dial(ctx, "unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	all, err := agent.NewClient(conn).List()
	if err != nil {
		return "", err
	}
	var comments []string
	for _, key := range all {
		comments = append(comments, key.Comment)
	}
	return strings.Join(comments, " "), nil
}
