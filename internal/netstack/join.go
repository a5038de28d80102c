package netstack

import (
	"context"
	"net"
	"sync"

	"github.com/bangervm/banger/internal/stream"
)

//nolint:gochecknoglobals // a cache of memory
var datagrams = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// joinDatagrams passes datagrams between two connections until one ends, or ctx,
// and closes both. Who opened the flow ends it when it is idle.
func joinDatagrams(ctx context.Context, guest, peer net.Conn) {
	half := func(dst, src net.Conn) func() error {
		return func() error {
			buf := datagrams.Get().(*[maxDatagram]byte)
			defer datagrams.Put(buf)
			for {
				read, err := src.Read(buf[:])
				if err == nil {
					_, err = dst.Write(buf[:read])
				}
				if err != nil && !passing(err) {
					return err
				}
			}
		}
	}
	_ = stream.Both(ctx, half(guest, peer), half(peer, guest), func(error) { // an end is a failure here
		_ = guest.Close()
		_ = peer.Close()
	})
}
