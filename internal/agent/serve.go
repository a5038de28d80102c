package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/device"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/seriallink"
)

const (
	portName    = "banger.agent"
	firstRedial = 20 * time.Millisecond
	lastRedial  = time.Second
	// portFailure is the pause after a port that cannot be used.
	portFailure = 500 * time.Millisecond
)

// serve loads what reaching the host needs, and then keeps up with it until ctx
// ends.
func (a *agent) serve(ctx context.Context) {
	list, err := device.Modules()
	if err == nil && !a.ready.Load() {
		err = device.LoadModules(list.Boot, list)
	}
	if err != nil {
		a.log.Error("load modules", "err", err)
	}
	path, err := findChannel(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Error("find the host", "err", err)
	case path == "":
		a.serveVsock(ctx)
	default:
		a.servePort(ctx, path)
	}
}

// findChannel returns the serial port, or "" for vsock, and waits for either.
func findChannel(ctx context.Context) (path string, err error) {
	err = device.Await(ctx, func() (bool, error) {
		if path, err = device.Port(device.Sys, portName); path != "" || err != nil {
			return true, err
		}
		cid, err := vsock.ContextID()
		return err == nil && cid > vsock.Host && cid != unix.VMADDR_CID_ANY, nil
	})
	return path, err
}

func (a *agent) servePort(ctx context.Context, path string) {
	for ctx.Err() == nil {
		port, err := seriallink.OpenPort(path)
		if err == nil {
			// An agent may have been there before, in this boot or the last.
			err = seriallink.Interrupt(port)
			for err == nil {
				err = a.session(ctx, port)
			}
		}
		if ctx.Err() != nil {
			return // with the port open, for the last message
		}
		a.log.Warn("the port to the host", "path", path, "err", err)
		if port != nil {
			_ = port.Close()
		}
		_ = pace.Pause(ctx, portFailure)
	}
}

// session serves one session of the host on the port.
func (a *agent) session(ctx context.Context, port *os.File) error {
	link, err := seriallink.Guest(ctx, port)
	if err != nil {
		return err
	}
	linkCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	go a.keepControl(linkCtx, link.Dial)
	// The control stream must outlive ctx by one message, so that ends the wait
	// only: the process's end closes the link.
	served := make(chan error, 1)
	go func() { served <- link.Serve(context.WithoutCancel(ctx), a.handle) }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-served:
		if errors.Is(err, seriallink.ErrClosed) {
			return nil
		}
		return err
	}
}

func (a *agent) serveVsock(ctx context.Context) {
	for _, port := range []uint32{agentrpc.APIPort, agentrpc.SSHPort} {
		l, err := vsock.Listen(port, nil)
		if err != nil {
			a.log.Error("listen on vsock", "err", err)
			return
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		go a.acceptVsock(ctx, l, port)
	}
	// The control stream outlives ctx by one message: the process's end closes it.
	go a.keepControl(ctx, func(_ context.Context, port uint32) (net.Conn, error) {
		return vsock.Dial(vsock.Host, port, nil)
	})
	<-ctx.Done()
}

// maxVsock bounds the host's connections by vsock at a time.
const maxVsock = 512

func (a *agent) acceptVsock(ctx context.Context, l *vsock.Listener, port uint32) {
	slots := make(chan struct{}, maxVsock)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.log.Warn("accept on vsock", "err", err)
			_ = pace.Pause(ctx, portFailure)
			continue
		}
		peer, ok := conn.RemoteAddr().(*vsock.Addr)
		serve := a.handle(ctx, port)
		if !ok || peer.ContextID != vsock.Host || serve == nil {
			_ = conn.Close()
			continue
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			serve(conn)
		}()
	}
}
