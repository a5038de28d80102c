package sockdiag

import (
	"net"
	"os"
	"testing"

	"github.com/bangervm/banger/internal/peertest"
)

// connected is a connection on loopback, both ends of which are open.
func connected(t *testing.T, address string) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", address) //nolint:noctx // at once
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	defer func() { _ = l.Close() }()
	conn, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // at once
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	got, err := l.Accept()
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	t.Cleanup(func() { _, _ = conn.Close(), got.Close() })
	return conn.(*net.TCPConn), got.(*net.TCPConn)
}

func TestOwnPeer(t *testing.T) {
	own, other := os.Getuid(), os.Getuid()+1
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		client, server := connected(t, address)
		for name, c := range map[string]struct {
			uids []int
			want bool
		}{"ours": {[]int{own}, true}, "ours, too": {[]int{other, own}, true}, "another's": {[]int{other}, false}, "nobody's": {nil, false}} {
			if got, err := OwnPeer(server, c.uids...); err != nil || got != c.want {
				t.Errorf("%s, %s: %v, %v", address, name, got, err)
			}
		}
		if err := client.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := OwnPeer(server, own); err != nil || got {
			t.Errorf("%s, half closed: %v, %v", address, got, err)
		}
	}
}

func TestAStrangerIsNoOwnPeer(t *testing.T) {
	var server *net.TCPConn
	peertest.AsStranger(t, func() { _, server = connected(t, "127.0.0.1:0") })
	for uid, want := range map[int]bool{os.Getuid(): false, peertest.Stranger: true} {
		if got, err := OwnPeer(server, uid); err != nil || got != want {
			t.Errorf("of user %d: %v, %v", uid, got, err)
		}
	}
}
