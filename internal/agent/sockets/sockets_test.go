package sockets

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
)

// Samples of a little-endian machine.
const (
	tcpHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n"
	tcp     = tcpHead +
		"   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 00000000188d4fd4 100 0 0 10 0                      \n" +
		"   1: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 00000000188d4fd4 100 0 0 10 0                      \n" +
		"   2: 0201C612:D431 0100C612:01BB 01 00000000:00000000 02:00000579 00000000  1000        0 102 2 00000000188d4fd4 20 4 30 10 -1                     \n" +
		"   3: 0201C612:D432 0100C612:01BB 06 00000000:00000000 03:00000579 00000000     0        0 0 3 00000000188d4fd4                                     \n"
	tcp6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 103 1 0000000012345678 100 0 0 10 0\n" +
		"   1: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 104 1 0000000012345678 100 0 0 10 0\n" +
		"   2: 0000000000000000FFFF00000100007F:2382 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 105 1 0000000012345678 100 0 0 10 0\n" +
		"   3: 6E6162FD007265670000000002010000:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 106 1 0000000012345678 100 0 0 10 0\n"
	udp = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n" +
		"  100: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 200 2 0000000012345678 0         \n" +
		"  101: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 201 2 0000000012345678 0         \n" +
		"  102: 00000000:A0B1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 202 2 0000000012345678 0         \n" +
		"  103: 0201C612:0035 0100C612:0035 01 00000000:00000000 00:00000000 00000000     0        0 203 2 0000000012345678 0         \n" +
		"  104: 00000000:EE48 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 204 2 0000000012345678 0         \n"
)

func TestReport(t *testing.T) {
	p := newProc(t)
	p.process(1, 0, "init", "/sbin/init\x00", 100, 103)
	p.process(50, 1, "web (main)", "web\x00-p\x0080\x00", 103)
	p.process(51, 50, "web", "web: worker\n\x1b[31m\x00", 103)
	p.process(60, 1, "dns", "dns\x00", 106, 200)
	p.process(61, 1, "six", "six\x00", 1, 104)
	p.process(999, 1, "agent", "agent\x00", 101)
	report, changed := p.reporter().Look()
	web := agentrpc.Owner{PID: 50, Process: "web (main)", Command: "web -p 80"}
	dns := agentrpc.Owner{PID: 60, Process: "dns", Command: "dns"}
	want := agentrpc.Listening{Sockets: []agentrpc.Socket{
		{Proto: "tcp", Address: "fd62:616e:6765:7200::102", Port: 53, Owner: dns},
		{Proto: "tcp", Address: "::", Port: 80, Owner: web},
		{Proto: "tcp", Address: "0.0.0.0", Port: 8080, Owner: agentrpc.Owner{PID: 1, Process: "init", Command: "/sbin/init"}},
		{Proto: "tcp", Address: "::", Port: 8080, V6Only: true, Owner: agentrpc.Owner{PID: 61, Process: "six", Command: "six"}},
		{Proto: "tcp", Address: "127.0.0.1", Port: 9090},
		{Proto: "udp", Address: "127.0.0.53", Port: 53, Owner: dns},
		{Proto: "udp", Address: "0.0.0.0", Port: 61000},
	}}
	if diff := cmp.Diff(want, report); !changed || diff != "" {
		t.Error(changed, diff)
	}
}

func TestReportOnlyWhenItChanges(t *testing.T) {
	p := newProc(t)
	r := p.reporter()
	if _, changed := r.Look(); !changed {
		t.Error("the first report is no news")
	}
	if _, changed := r.Look(); changed {
		t.Error("news of nothing")
	}
	// A connection more, other queues and another order of lines are no news.
	p.write("net/tcp", strings.ReplaceAll(tcp, "00000000:00000000 02", "00000010:00000020 02"))
	if _, changed := r.Look(); changed {
		t.Error("news of a connection")
	}
	p.write("net/tcp", tcpHead)
	if report, changed := r.Look(); !changed || len(report.Sockets) != 6 {
		t.Errorf("two sockets closed: %v, %+v", changed, report)
	}
	p.write("net/tcp", tcp)
	p.process(70, 1, "late", "late\x00", 100)
	if report, changed := r.Look(); !changed || process(report, 8080) != "late" {
		t.Errorf("they are there again: %v, %+v", changed, report)
	}
	// Its owner is gone, and another one has the socket, once anything changes.
	if err := os.RemoveAll(filepath.Join(p.path, "70")); err != nil {
		t.Fatal(err)
	}
	p.process(71, 1, "heir", "heir\x00", 100)
	p.write("net/tcp6", "")
	if report, _ := r.Look(); process(report, 8080) != "heir" {
		t.Errorf("after the owner's end: %+v", report)
	}
}

// process is that of the first socket with this port.
func process(l agentrpc.Listening, port uint16) string {
	for _, s := range l.Sockets {
		if s.Port == port {
			return s.Process
		}
	}
	return ""
}

func TestWordsFitOnALine(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31m\nb":                 "a?[31m b",
		"caf\xe9":                      "caf?",
		strings.Repeat("é", 200):       strings.Repeat("é", 126) + "…",
		" x\n":                         "x",
		"a" + strings.Repeat("é", 200): "a" + strings.Repeat("é", 126) + "…",
	} {
		if got := words([]byte(text)); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func TestReportWithoutATable(t *testing.T) {
	p := newProc(t)
	for _, name := range []string{"tcp6", "udp", "tcp"} {
		if err := os.Remove(filepath.Join(p.path, "net", name)); err != nil {
			t.Fatal(err)
		}
	}
	if report, changed := p.reporter().Look(); !changed || report.Sockets == nil || len(report.Sockets) != 0 {
		t.Errorf("%v, %+v", changed, report)
	}
}

func TestByPort(t *testing.T) {
	p := newProc(t)
	p.process(50, 1, "curl", "curl\x00https://example.org\x00", 102)
	p.process(60, 1, "dns", "dns\x00", 106, 200)
	o := p.owners()
	now := time.Unix(1000, 0)
	o.now = func() time.Time { return now }
	for range 100 { // the second time on, it is the process that was found before
		if got := o.ByPort("tcp", 0xd431); got.Process != "curl" || got.Command != "curl https://example.org" {
			t.Fatalf("the owner of a connection is %+v", got)
		}
	}
	if got := o.ByPort("udp", 53); got.Process != "dns" {
		t.Errorf("the owner of a UDP port is %+v", got)
	}
	for what, got := range map[string]agentrpc.Owner{
		"a port of nobody": o.ByPort("tcp", 1), "a closed one": o.ByPort("tcp", 0xd432), "another protocol": o.ByPort("udp", 0xd431),
	} {
		if got != (agentrpc.Owner{}) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	// Searches without end are not made.
	for range searchBurst {
		o.ByPort("tcp", 8080)
	}
	p.process(70, 1, "late", "late\x00", 100)
	if got := o.ByPort("tcp", 8080); got.PID != 0 {
		t.Errorf("search without end: %+v", got)
	}
	now = now.Add(searchEvery)
	if got := o.ByPort("tcp", 8080); got.Process != "late" {
		t.Errorf("after a while: %+v", got)
	}
}

// The kernel's own words are what counts in the end.
func TestRealSockets(t *testing.T) {
	var config net.ListenConfig
	own := map[string]bool{}
	asked := [][2]string{{"tcp6", "[::]:0"}, {"tcp", "[::]:0"}} // "tcp6" is IPv6 alone
	for range 100 {                                             // more than one page of the kernel's table
		asked = append(asked, [2]string{"tcp4", "127.0.0.1:0"})
	}
	for _, ask := range asked {
		network, address := ask[0], ask[1]
		l, err := config.Listen(t.Context(), network, address)
		if err != nil {
			t.Logf("%s: %v", network, err)
			continue
		}
		defer func() { _ = l.Close() }()
		own[fmt.Sprint("tcp ", l.Addr(), " ", network == "tcp6")] = true
	}
	o := NewOwners("/proc")
	o.self = 0 // these are to be seen
	report, _ := newReporter(t, o).Look()
	for _, s := range report.Sockets {
		key := fmt.Sprint(s.Proto, " ", netip.AddrPortFrom(netip.MustParseAddr(s.Address), s.Port), " ", s.V6Only)
		if own[key] && s.PID == os.Getpid() && s.Process != "" && s.Command != "" {
			delete(own, key)
		}
	}
	if len(own) > 0 {
		t.Errorf("not seen: %v among %+v", own, report.Sockets)
	}
	for _, s := range report.Sockets {
		if s.PID == os.Getpid() {
			if got := o.ByPort(s.Proto, s.Port); got.PID != os.Getpid() {
				t.Errorf("port %d is %+v", s.Port, got)
			}
		}
	}
}

func TestParseRefusesWhatIsNoSocket(t *testing.T) {
	for _, line := range []string{
		"", "   0:", strings.Fields(tcpHead)[0], "0: 0100007F:0016", "0: 0100007:0016 0:0 0A x x x x x 7", "0: 0100007F:00016 0:0 0A x x x x x 7",
		"0: zz00007F:0016 0:0 0A x x x x x 7", "0: 0100007F:zzzz 0:0 0A x x x x x 7", "0: 0100007F:0016 0:0 1FF x x x x x 7", "0: 0100007F:0016 0:0 0A x x x x x -7",
	} {
		if e, ok := parse([]byte(line)); ok {
			t.Errorf("%q is %+v", line, e)
		}
	}
}

func FuzzTable(f *testing.F) {
	for _, text := range []string{tcp, tcp6, udp, "\n\n", strings.Repeat("x", 1<<17)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_ = scanLines(strings.NewReader(text), nil, func(e entry) bool {
			if !e.local.IsValid() {
				t.Errorf("a socket without an address: %+v", e)
			}
			return true
		})
	})
}

func BenchmarkLook(b *testing.B) {
	r := newReporter(b, NewOwners("/proc"))
	for b.Loop() {
		r.Look()
	}
}
