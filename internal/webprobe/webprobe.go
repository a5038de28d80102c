// Package webprobe finds out whether a listener is a web server, and whether it
// speaks TLS.
package webprobe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// The answers.
const (
	HTTPS = "https"
	HTTP  = "http"
)

// request is as little as a server answers: it has no effect, and no body comes.
const request = "HEAD / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: banger\r\nConnection: close\r\n\r\n"

// Probe asks whoever dial connects to, with TLS first and then without, and
// returns HTTPS, HTTP, or "" for what is no web server. The certificate is not
// verified: nothing is said to the server but the request. limit bounds each of the two
// tries, from the dial to the answer. Not sure: it did not answer in time, and may be
// asked again.
func Probe(ctx context.Context, limit time.Duration, dial func(context.Context) (net.Conn, error)) (scheme string, sure bool) {
	secure := try(ctx, limit, dial, overTLS)
	switch secure {
	case web:
		return HTTPS, true
	case plainWeb:
		return HTTP, true
	case other:
		return "", true
	case unreached, late, noTLS, badRequest:
	}
	switch try(ctx, limit, dial, plain) {
	case web:
		return HTTP, true
	case badRequest:
		// So answers a server that wanted TLS: only one that was heard to refuse
		// TLS is known not to.
		if secure == noTLS {
			return HTTP, true
		}
		return "", false
	case unreached, late:
		return "", false
	default:
		return "", true
	}
}

// outcome of one try.
type outcome int

const (
	unreached  outcome = iota
	late               // no answer in time
	noTLS              // what answered speaks no TLS
	plainWeb           // and is a web server
	web                // an HTTP answer
	badRequest         // an HTTP answer of status 400
	other              // an answer that is not HTTP
)

func try(ctx context.Context, limit time.Duration, dial func(context.Context) (net.Conn, error), speak func(context.Context, net.Conn) outcome) outcome {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return unreached
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	result := speak(ctx, conn)
	if ctx.Err() != nil && result != web {
		return late
	}
	return result
}

func overTLS(ctx context.Context, conn net.Conn) outcome {
	secure := tls.Client(conn, &tls.Config{
		ServerName:         "localhost",
		InsecureSkipVerify: true, // it is not trusted, only looked at
		MinVersion:         tls.VersionTLS10,
		NextProtos:         []string{"h2", "http/1.1"},
	})
	err := secure.HandshakeContext(ctx)
	var record tls.RecordHeaderError
	var alert *net.OpError
	switch {
	case errors.As(err, &record) && bytes.Equal(record.RecordHeader[:], []byte("HTTP/")):
		return plainWeb
	case errors.As(err, &alert) && alert.Op == "remote error": // it speaks TLS, but not with us
		return other
	case err != nil:
		return noTLS
	case secure.ConnectionState().NegotiatedProtocol == "h2":
		return web
	}
	if got := plain(ctx, secure); got != badRequest {
		return got
	}
	return web
}

func plain(_ context.Context, conn net.Conn) outcome {
	if _, err := conn.Write([]byte(request)); err != nil {
		return other
	}
	line, err := bufio.NewReaderSize(conn, 64).Peek(len("HTTP/1.1 200"))
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return other
	}
	if bytes.HasSuffix(line, []byte(" 400")) {
		return badRequest
	}
	return web
}
