package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

func serve(ctx context.Context, args []string) (string, error) {
	if arg(args, 0) == "udp" {
		conn, err := net.ListenPacket("udp", arg(args, 1)) //nolint:noctx // bounded by the process
		if err != nil {
			return "", err
		}
		buf := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return "", err
			}
			if _, err := conn.WriteTo(buf[:n], from); err != nil {
				return "", err
			}
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, arg(args, 0), arg(args, 1))
	if err != nil {
		return "", err
	}
	if text := arg(args, 2); text != "" {
		return "", (&http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, text+"\n")
		})}).Serve(listener)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return "", err
		}
		go func() {
			defer func() { _ = conn.Close() }()
			_, _ = io.Copy(conn, conn)
		}()
	}
}

func churn(ctx context.Context, args []string) (string, error) {
	n, err := strconv.Atoi(arg(args, 1))
	if err != nil {
		return "", err
	}
	for range n {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", arg(args, 0))
		if err != nil {
			return "", err
		}
		timer := time.NewTimer(10 * time.Millisecond)
		<-timer.C
		if err := listener.Close(); err != nil {
			return "", err
		}
	}
	fmt.Println("churned") //nolint:forbidigo // it is what the test waits for
	return serve(ctx, []string{"tcp", arg(args, 0), "after the churn"})
}

// lookup prints the answer's code and records, in order.
func lookup(ctx context.Context, args []string) (string, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(arg(args, 2)), dns.StringToType[arg(args, 3)])
	client := &dns.Client{Net: arg(args, 0), Timeout: 4 * time.Second}
	answer, _, err := client.ExchangeContext(ctx, m, arg(args, 1))
	if err != nil {
		return "", err
	}
	words := []string{dns.RcodeToString[answer.Rcode]}
	if answer.Truncated {
		words = append(words, "truncated")
	}
	for _, rr := range answer.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			words = append(words, rr.A.String())
		case *dns.AAAA:
			words = append(words, rr.AAAA.String())
		case *dns.CNAME:
			words = append(words, rr.Target)
		}
	}
	return strings.Join(words, " "), nil
}

func ping(ctx context.Context, args []string) (string, error) {
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: []byte("banger")}}).Marshal(nil)
	if err != nil {
		return "", err
	}
	to, err := (&net.Resolver{}).LookupIP(ctx, "ip4", arg(args, 0))
	if err != nil {
		return "", err
	}
	if err := conn.SetDeadline(time.Now().Add(4 * time.Second)); err != nil {
		return "", err
	}
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: to[0]}); err != nil {
		return "", err
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return "", err
		}
		if m, err := icmp.ParseMessage(1, buf[:n]); err == nil && m.Type == ipv4.ICMPTypeEchoReply {
			return "reply from " + from.String(), nil
		}
	}
}
