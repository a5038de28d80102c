package sniff_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/sniff"
)

// clientHello is what Go's own client sends first.
func clientHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	config.InsecureSkipVerify = true
	go func() {
		_ = tls.Client(theirs, config).HandshakeContext(t.Context())
		_ = theirs.Close()
	}()
	header := make([]byte, 5)
	if _, err := io.ReadFull(ours, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	return append(header, body...)
}

func prefixed(bytes int, data ...[]byte) []byte {
	all := []byte{}
	for _, d := range data {
		all = append(all, d...)
	}
	length := make([]byte, 8)
	binary.BigEndian.PutUint64(length, uint64(len(all)))
	return append(length[8-bytes:], all...)
}

func extension(kind uint16, data ...[]byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), prefixed(2, data...)...)
}

func sni(names ...string) []byte {
	var list [][]byte
	for _, name := range names {
		list = append(list, []byte{0}, prefixed(2, []byte(name)))
	}
	return extension(0, prefixed(2, list...))
}

// hello is a handshake message with the extensions, in records of some size.
func hello(size int, extensions ...[]byte) []byte {
	body := append(append([]byte{3, 3}, make([]byte, 32)...), prefixed(1, make([]byte, 32))...)
	body = append(body, prefixed(2, []byte{0x13, 1})...)
	body = append(body, prefixed(1, []byte{0})...)
	body = append(body, prefixed(2, extensions...)...)
	return inRecords(append([]byte{1}, prefixed(3, body)...), size)
}

func inRecords(message []byte, size int) []byte {
	var out []byte
	for len(message) > 0 {
		n := min(size, len(message))
		out = append(out, 22, 3, 1)
		out = append(out, prefixed(2, message[:n])...)
		message = message[n:]
	}
	return out
}

// grease are extensions of values that mean nothing (RFC 8701), and padding.
func grease() []byte {
	return append(extension(0x0a0a), extension(21, make([]byte, 300))...)
}

func TestHostOfTLS(t *testing.T) {
	const record = 1 << 14
	huge := extension(21, make([]byte, 40_000))
	for what, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"Go's client":                 {clientHello(t, &tls.Config{ServerName: "a.example.org"}), "a.example.org"},
		"Go's client of TLS 1.2":      {clientHello(t, &tls.Config{ServerName: "a.example.org", MaxVersion: tls.VersionTLS12}), "a.example.org"},
		"Go's client to an address":   {clientHello(t, &tls.Config{ServerName: "203.0.113.5"}), "absent"},
		"Go's, and data behind":       {append(clientHello(t, &tls.Config{ServerName: "a.example.org"}), "\x17\x03\x03"...), "a.example.org"},
		"GREASE and padding":          {hello(record, grease(), sni("a.example"), extension(0x1a1a)), "a.example"},
		"records of one byte":         {hello(1, sni("a.example")), "a.example"},
		"records of three bytes":      {hello(3, grease(), sni("a.example")), "a.example"},
		"40,000 bytes":                {hello(record, huge, sni("a.example")), "a.example"},
		"70,000 bytes":                {hello(record, huge, huge[:20_000], sni("a.example")), "unsound"},
		"upper case and a dot":        {hello(record, sni("A.EXAMPLE.")), "a.example"},
		"an address":                  {hello(record, sni("203.0.113.5")), "203.0.113.5"},
		"an IPv6 address":             {hello(record, sni("2001:DB8::5")), "2001:db8::5"},
		"no SNI":                      {hello(record, grease()), "absent"},
		"an empty SNI":                {hello(record, sni("")), "unsound"},
		"an SNI with no list":         {hello(record, extension(0)), "unsound"},
		"an SNI with an empty list":   {hello(record, sni()), "unsound"},
		"two names":                   {hello(record, sni("a.example", "b.example")), "unsound"},
		"two SNIs":                    {hello(record, sni("a.example"), sni("b.example")), "unsound"},
		"a name of another type":      {hello(record, extension(0, prefixed(2, []byte{1}, prefixed(2, []byte("a.example"))))), "unsound"},
		"bytes behind the list":       {hello(record, extension(0, prefixed(2, []byte{0}, prefixed(2, []byte("a.example"))), []byte{0})), "unsound"},
		"a NUL":                       {hello(record, sni("a.example\x00.b.example")), "unsound"},
		"a space":                     {hello(record, sni("a.example ")), "unsound"},
		"two dots":                    {hello(record, sni("a.example..")), "unsound"},
		"a name of 254 bytes":         {hello(record, sni(strings.Repeat("a.", 126)+"aa")), "unsound"},
		"no extensions":               {inRecords(append([]byte{1}, prefixed(3, append(append([]byte{3, 3}, make([]byte, 32)...), 0, 0, 2, 0x13, 1, 1, 0))...), record), "absent"},
		"an extension cut":            {hello(record, sni("a.example"), []byte{0, 9, 0, 9}), "unsound"},
		"bytes behind the extensions": {inRecords(append([]byte{1}, prefixed(3, append(append([]byte{3, 3}, make([]byte, 32)...), 0, 0, 2, 0x13, 1, 1, 0, 0, 0, 7))...), record), "unsound"},
		"another message":             {inRecords([]byte{2, 0, 0, 1, 0}, record), "unsound"},
		"an alert between":            {append(hello(8, sni("a.example"))[:13:13], 21, 3, 1, 0, 2, 1, 0), "unsound"},
		"a warning before the hello":  {append([]byte{21, 3, 1, 0, 2, 1, 90}, hello(record, sni("a.example"))...), "unsound"},
		"ciphers before the hello":    {append([]byte{20, 3, 3, 0, 1, 1}, hello(record, sni("a.example"))...), "unsound"},
		"an empty record":             {[]byte{22, 3, 1, 0, 0}, "unsound"},
		"too long a message":          {[]byte{22, 3, 1, 0, 4, 1, 1, 0, 0}, "unsound"},
		"too long a record":           {[]byte{22, 3, 1, 0x40, 1}, "unsound"},
		"SSL 2's form, long":          {[]byte{0x8f, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 0x10}, "unsound"},
		"SSL 2's form":                {[]byte{0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 0x10}, "unsound"},
	} {
		got, more := sniff.First(c.bytes, false)
		if more || summary(got) != c.want {
			t.Errorf("%s: %+v, more: %v, want %q", what, got, more, c.want)
		}
	}
}

func TestItWaitsForTheWholeClientHello(t *testing.T) {
	for _, whole := range [][]byte{clientHello(t, &tls.Config{ServerName: "a.example.org"}), hello(7, sni("a.example.org"), grease())} {
		for n := range whole {
			if got, more := sniff.First(whole[:n], false); !more {
				t.Fatalf("after %d of %d bytes: %+v", n, len(whole), got)
			}
			if got := sniff.FirstAtEnd(whole[:n], false); n > 0 && got.Speech != egress.Unsound {
				t.Fatalf("after %d of %d bytes, and the end: %+v", n, len(whole), got)
			}
		}
		if got, more := sniff.First(whole, false); more || summary(got) != "a.example.org" {
			t.Errorf("at the end: %+v, more: %v", got, more)
		}
	}
}

// Servers need not look at the version of a record (RFC 5246, E.1), and some do not.
func TestARecordOfAnyVersionIsTLS(t *testing.T) {
	for kind := byte(20); kind <= 24; kind++ {
		for major := range 256 {
			b := hello(1<<14, sni("a.example"))
			b[0], b[1] = kind, byte(major)
			got, more := sniff.First(b, false)
			if want := kind == 22 && major == 3; more || (got.Speech == egress.Sound) != want || got.Speech != egress.Sound && got.Speech != egress.Unsound {
				t.Errorf("type %d, major %d: %+v, more: %v", kind, major, got, more)
			}
		}
	}
	for major := range 256 {
		for _, first := range []byte{0x80, 0x8f, 0xc0, 0xff} {
			if got, more := sniff.First([]byte{first, 0x2e, 1, byte(major), 1}, false); more || got.Speech != egress.Unsound {
				t.Errorf("SSL 2's form, %#x, major %d: %+v, more: %v", first, major, got, more)
			}
		}
	}
}

func TestItGivesUpAfterMaxPrefix(t *testing.T) {
	slow := bytes.Repeat([]byte{22, 3, 1, 0, 1, 0}, sniff.MaxPrefix/6+2)
	slow[5], slow[11], slow[17], slow[23] = 1, 0, 0xf0, 0 // a message of 61,440 bytes, one in each record
	head := "GET / HTTP/1.1\r\nHost: a.example\r\nX: " + strings.Repeat("x", sniff.MaxPrefix)
	for _, b := range [][]byte{
		slow, []byte(head), []byte("GET /" + strings.Repeat("x", sniff.MaxPrefix)), []byte(strings.Repeat("\r\n", sniff.MaxPrefix)),
		[]byte(strings.Repeat("X", sniff.MaxPrefix)),
	} {
		if _, more := sniff.First(b[:sniff.MaxPrefix-1], false); !more {
			t.Errorf("%.20q: it gave up before the bound", b)
		}
		if got, more := sniff.First(b, false); more || got.Speech != egress.Unsound {
			t.Errorf("%.20q: %+v, more: %v", b, got, more)
		}
	}
}
