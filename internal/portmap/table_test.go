package portmap

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestOnePortOfSeveralBinds(t *testing.T) {
	owner := agentrpc.Owner{PID: 7, Process: "nginx", Command: "nginx -g daemon"}
	for _, tt := range []struct {
		name    string
		sockets []agentrpc.Socket
		want    []string
		dial    string
	}{
		{"both families by two sockets", []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80, V6Only: true}, {Proto: "tcp", Address: "0.0.0.0", Port: 80, Owner: owner}}, []string{"0.0.0.0", "::"}, "0.0.0.0:80"},
		{"both families by one", []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80}}, []string{"::"}, "0.0.0.0:80"},
		{"IPv6 alone", []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80, V6Only: true}}, []string{"::"}, "[::1]:80"},
		{"loopbacks", []agentrpc.Socket{tcp("::1", 80), tcp("127.0.0.1", 80)}, []string{"127.0.0.1", "::1"}, "127.0.0.1:80"},
		{"a bridge and the loopback", []agentrpc.Socket{tcp("172.17.0.1", 80), tcp("127.0.0.1", 80)}, []string{"127.0.0.1", "172.17.0.1"}, "127.0.0.1:80"},
		{"the same many times", []agentrpc.Socket{tcp("0.0.0.0", 80), tcp("0.0.0.0", 80)}, []string{"0.0.0.0"}, "0.0.0.0:80"},
		{"IPv4 in IPv6", []agentrpc.Socket{tcp("::ffff:127.0.0.1", 80)}, []string{"127.0.0.1"}, "127.0.0.1:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := merge(agentrpc.Listening{Sockets: tt.sockets})
			one := got[key{"tcp", 80}]
			if len(got) != 1 || !slices.Equal(one.bound, tt.want) || one.dial.String() != tt.dial {
				t.Errorf("got %+v; want %v, dialled at %s", got, tt.want, tt.dial)
			}
		})
	}
}

func TestGuestsNonsenseIsLeftOut(t *testing.T) {
	bad := []agentrpc.Socket{
		tcp("", 80), tcp("example.org", 80), tcp("fe80::1%eth0", 80), tcp("0.0.0.0", 0), {Proto: "sctp", Address: "::", Port: 80},
	}
	if got := merge(agentrpc.Listening{Sockets: bad}); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	many := make([]agentrpc.Socket, 3*agentrpc.MaxListening)
	for i := range many {
		many[i] = tcp("0.0.0.0", uint16(i+1))
	}
	if got := len(merge(agentrpc.Listening{Sockets: many})); got != agentrpc.MaxListening {
		t.Errorf("%d sockets were taken", got)
	}
	long := merge(agentrpc.Listening{Sockets: []agentrpc.Socket{{
		Proto: "tcp", Address: "::", Port: 1,
		Owner: agentrpc.Owner{PID: 1, Process: strings.Repeat("é\x1b", 100), Command: strings.Repeat("\u009b0m\xff", 1000) + "é"},
	}}})[key{"tcp", 1}].owner
	if len(long.Process) > maxWord || !utf8.ValidString(long.Process) || strings.ContainsAny(long.Process+long.Command, "\x1b\u009b") {
		t.Errorf("owner is %q, %q", long.Process, long.Command)
	}
}

func FuzzListening(f *testing.F) {
	f.Add([]byte(`{"sockets":[{"proto":"tcp","address":"::","port":80,"pid":7,"process":"a\u001b","command":"é"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var l agentrpc.Listening
		if json.Unmarshal(data, &l) != nil {
			return
		}
		for k, s := range merge(l) {
			if k.port == 0 || !s.dial.IsValid() || len(s.bound) == 0 || len(s.owner.Process) > maxWord || len(s.owner.Command) > maxCommand {
				t.Errorf("%+v: %+v", k, s)
			}
		}
	})
}
