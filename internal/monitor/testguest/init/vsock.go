package main

import (
	"context"
	"net"

	"github.com/mdlayher/vsock"
)

// hostDialer dials the host by vsock.
type hostDialer struct{}

func (hostDialer) Dial(_ context.Context, port uint32) (net.Conn, error) {
	return vsock.Dial(vsock.Host, port, nil)
}

// serveVsock is the guest of a VMM whose channel is vsock.
func (g *guest) serveVsock() error {
	l, err := vsock.Listen(commandPort, nil)
	if err != nil {
		return err
	}
	go g.control(hostDialer{})
	serve := g.serve(context.Background(), commandPort)
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = conn.Close() }()
			serve(conn)
		}()
	}
}
