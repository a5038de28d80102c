package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/portkeep"
	"github.com/bangervm/banger/internal/sockdiag"
	"github.com/bangervm/banger/internal/web"
)

// listen takes the console's port: that of the daemon before, if it was kept and is the one
// that is wanted, or that can be had. Then same is true. The problem says why the port is
// not the one at address.
func (w *webDoor) listen(ctx context.Context, address string) (all web.Listeners, same bool, problem string, err error) {
	kept := w.take(ctx)
	if port := portOf(address); kept != nil && (port == 0 || port == kept.Port()) {
		return kept, true, "", nil
	}
	all, err = web.Listen(ctx, address)
	if errors.Is(err, fault.Unavailable) {
		problem = portTakenBy(address, err)
		if kept != nil {
			return kept, true, problem, nil
		}
		all, err = web.Listen(ctx, anyPort(address))
	}
	if kept != nil {
		err = errors.Join(err, kept.Close())
	}
	return all, false, problem, err
}

// take gets the port that the daemon before had, if somebody keeps it and it is the one
// that the book is about; else nil.
func (w *webDoor) take(ctx context.Context) web.Listeners {
	name, had, err := portkeep.Take(ctx, w.d.dirs.WebPort())
	if err != nil {
		return nil // nobody keeps one
	}
	kept, err := web.Adopt(ctx, had)
	if err == nil && name != w.book.Name() {
		err = errors.Join(errors.New("it is of another name"), kept.Close())
	}
	if err != nil {
		w.d.log.Warn("the web console does not go on at its port", "error", err)
		return nil
	}
	return kept
}

// keep has the port kept for the next daemon, so that nobody else gets what browsers that
// are signed in send there.
func (w *webDoor) keep() {
	if w.console == nil || w.book.Sessions() == 0 {
		return
	}
	if err := portkeep.Start(w.d.dirs.WebPort(), w.book.Name(), w.console.Listeners()...); err != nil {
		w.d.log.Warn("the web console's port is not kept for the next daemon", "error", err)
	}
}

// ownPeer is gate.OwnPeer: root may do all that the user may.
func ownPeer(conn net.Conn) (bool, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false, nil
	}
	return sockdiag.OwnPeer(tcp, os.Getuid(), 0)
}

// portTakenBy says who has the port at one of the addresses that the console listens on.
func portTakenBy(address string, err error) string {
	var ports []netip.AddrPort
	for _, at := range web.Loopbacks() {
		ports = append(ports, netip.AddrPortFrom(at, portOf(address)))
	}
	return takenBy(err, []string{sockdiag.TCP}, ports...)
}

// portOf is the port of an address, or 0.
func portOf(address string) uint16 {
	addr, _ := netip.ParseAddrPort(address)
	return addr.Port()
}

func anyPort(address string) string {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return address
	}
	return netip.AddrPortFrom(addr.Addr(), 0).String()
}
