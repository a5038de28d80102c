package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/seriallink"
)

// wrongAnswers serves the agent's ports: nothing that it says is what was asked
// for.
func wrongAnswers(ctx context.Context, _ *os.File, link *seriallink.Link) {
	stop := context.AfterFunc(ctx, func() { _ = link.Close() })
	defer stop()
	if conn, err := link.Dial(ctx, agentrpc.ControlPort); err == nil { // so that the host believes in it
		_, _ = io.WriteString(conn, `{"hello":{"protocol":1,"build":"no","kernel":"no","boot_id":"no","configured":true}}`+"\n"+`{"ready":{"init":"no"}}`+"\n")
		defer func() { _ = conn.Close() }()
	}
	var count atomic.Int64
	_ = link.Serve(ctx, func(_ context.Context, port uint32) func(net.Conn) {
		if port == agentrpc.SSHPort {
			return func(conn net.Conn) { wrongSSH(conn, count.Add(1)) }
		}
		return func(conn net.Conn) { wrongHTTP(conn, count.Add(1)) }
	})
}

func wrongSSH(conn net.Conn, n int64) {
	if n%2 == 0 {
		endless(conn, []byte("SSH"))
		return
	}
	_, _ = io.WriteString(conn, "SSH-2.0-no\r\n")
	endless(conn, []byte("\x00\x00\xff\xff\x04\x14"))
}

func wrongHTTP(conn net.Conn, n int64) {
	in := bufio.NewReader(conn)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	say := func(text string) { _, _ = io.WriteString(conn, text) }
	long := strings.Repeat("\\u001b[31mx", 5000)
	if up := req.Header.Get("Upgrade"); up != "" && n%2 == 0 {
		say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + up + "\r\n\r\n")
		wrongFrames(conn, n/2)
		return
	}
	if req.URL.Path == agentrpc.PathSessionEvents {
		say("HTTP/1.1 200 OK\r\n\r\n")
		one := `{"id":"x","state":"running","error":"` + long + `"},`
		line := `{"agent":"no","snapshot":true,"sessions":[` + strings.Repeat(one, 10) + `{"id":"y"}]}` + "\n"
		endless(conn, []byte(line))
		return
	}
	switch n % 8 {
	case 0:
		say("HTTP/1.1 200 OK\r\n")
		endless(conn, []byte("A: b\r\n"))
	case 1:
		say("HTTP/1.1 200 OK\r\n\r\n{\"build\":\"")
		endless(conn, bytes.Repeat([]byte("x"), 4096))
	case 2:
		drip(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
	case 3: // not a word
		_, _ = io.Copy(io.Discard, in)
	case 4:
		p := make([]byte, 4096)
		_, _ = rand.Read(p)
		endless(conn, p)
	case 5:
		say("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + `{"protocol":-1,"ready":true,"build":"` + long + `","mem_total_bytes":-9223372036854775808,"load1":-1e300,"uptime_seconds":1e308}`)
	case 6:
		say("HTTP/1.1 500 \x1b[31m\r\nConnection: close\r\n\r\n" + `{"code":"not_found","message":"` + long + `"}`)
	case 7:
		say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		endless(conn, []byte("1\r\n \r\n"))
	}
}

// wrongFrames goes on as no agent does on an upgraded stream.
func wrongFrames(conn net.Conn, n int64) {
	switch n % 4 {
	case 0: // as much output as is taken
		endless(conn, append([]byte{byte(agentrpc.FrameStdout), 0, 1, 0, 0}, bytes.Repeat([]byte("\x1b[H"), 1<<16)[:1<<16]...))
	case 1: // of no bytes
		endless(conn, []byte{byte(agentrpc.FrameStdout), 0, 0, 0, 0})
	case 2:
		endless(conn, []byte{0xff, 0xff, 0xff, 0xff, 0xff})
	case 3:
		drip(conn, string([]byte{byte(agentrpc.FrameStderr), 0, 1, 0, 0}))
	}
}

func endless(to io.Writer, p []byte) {
	p = bytes.Repeat(p, 1+(16<<10)/len(p))
	for {
		if _, err := to.Write(p); err != nil {
			return
		}
	}
}

// drip says the text, and then a byte every tenth of a second.
func drip(to io.Writer, text string) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for _, err := io.WriteString(to, text); err == nil; _, err = to.Write([]byte(" ")) {
		<-tick.C
	}
}
