package monitor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

// acceptPause is between attempts to accept when something has run out.
const acceptPause = 100 * time.Millisecond

// acceptNext is the listener's next connection. While something has run out,
// such as descriptors, of which a guest's connections take many, it tries again
// until ctx ends: what is refused now must not be so for ever.
func acceptNext(ctx context.Context, listener net.Listener, log *slog.Logger) (net.Conn, error) {
	for told := false; ; told = true {
		conn, err := listener.Accept()
		if err == nil || !runOut(err) {
			return conn, err
		}
		if !told {
			log.Warn("accept", "address", listener.Addr().String(), "err", err)
		}
		if pace.Pause(ctx, acceptPause) != nil {
			return nil, net.ErrClosed
		}
	}
}

func runOut(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
