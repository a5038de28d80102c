package netstack

import (
	"net"
	"sync"
	"sync/atomic"
)

// joinStreams passes bytes between two connections, until both directions have
// ended or one failed. The caller closes both.
func joinStreams(a, b net.Conn) {
	var count atomic.Int64
	var back sync.WaitGroup
	half := func(dst, src net.Conn) {
		if err := pass(dst, src, &count); err != nil {
			_ = a.Close()
			_ = b.Close()
		}
	}
	back.Go(func() { half(a, b) })
	half(b, a)
	back.Wait()
}

// joinDatagrams passes datagrams between two connections until one ends, which
// closes the other. Who opened the flow ends it when it is idle.
func joinDatagrams(guest, peer net.Conn) {
	var back sync.WaitGroup
	half := func(dst, src net.Conn) {
		defer func() { _, _ = guest.Close(), peer.Close() }()
		buf := buffers.Get().(*[copyBuffer]byte)
		defer buffers.Put(buf)
		for {
			read, err := src.Read(buf[:])
			if err == nil {
				_, err = dst.Write(buf[:read])
			}
			if err != nil && !passing(err) {
				return
			}
		}
	}
	back.Go(func() { half(guest, peer) })
	half(peer, guest)
	back.Wait()
}
