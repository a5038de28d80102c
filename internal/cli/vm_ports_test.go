package cli

import (
	"testing"

	"github.com/bangervm/banger/internal/api"
)

func TestPortNote(t *testing.T) {
	for _, test := range []struct {
		port api.Port
		want string
	}{
		{api.Port{Address: "127.128.1.7", Port: 80, GuestPort: 80, Source: "auto", Listening: true}, ""},
		{api.Port{Address: "127.128.1.7", Port: 80, GuestPort: 80, Source: "auto", Listening: true, Loopback: true}, "loopback"},
		{api.Port{Address: "127.0.0.1", Port: 81, GuestPort: 80, Source: "published", Listening: true}, "guest port 80, published"},
		{api.Port{Address: "0.0.0.0", Port: 80, GuestPort: 80, Source: "published", Listening: true}, "on all host addresses, published"},
		{api.Port{Address: "::", Port: 81, GuestPort: 80, Source: "forward"}, "guest port 80, on all host addresses, forward, nothing is listening in the guest"},
		{api.Port{Port: 80, GuestPort: 80, Source: "published", Problem: "in use"}, "guest port 80 is not available: in use, published, nothing is listening in the guest"},
	} {
		if got := portNote(test.port); got != test.want {
			t.Errorf("%+v: %q, want %q", test.port, got, test.want)
		}
	}
}
