package sniff_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

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
		"Go's client to an address":   {clientHello(t, &tls.Config{ServerName: "203.0.113.5"}), ""},
		"Go's, and data behind":       {append(clientHello(t, &tls.Config{ServerName: "a.example.org"}), "\x17\x03\x03"...), "a.example.org"},
		"GREASE and padding":          {hello(record, grease(), sni("a.example"), grease()), "a.example"},
		"records of one byte":         {hello(1, sni("a.example")), "a.example"},
		"records of three bytes":      {hello(3, grease(), sni("a.example")), "a.example"},
		"40,000 bytes":                {hello(record, huge, sni("a.example")), "a.example"},
		"70,000 bytes":                {hello(record, huge, huge[:20_000], sni("a.example")), ""},
		"upper case and a dot":        {hello(record, sni("A.EXAMPLE.")), "a.example"},
		"an address":                  {hello(record, sni("203.0.113.5")), "203.0.113.5"},
		"an IPv6 address":             {hello(record, sni("2001:DB8::5")), "2001:db8::5"},
		"no SNI":                      {hello(record, grease()), ""},
		"an empty SNI":                {hello(record, sni("")), ""},
		"an SNI with no list":         {hello(record, extension(0)), ""},
		"an SNI with an empty list":   {hello(record, sni()), ""},
		"two names":                   {hello(record, sni("a.example", "b.example")), ""},
		"two SNIs":                    {hello(record, sni("a.example"), sni("b.example")), ""},
		"a name of another type":      {hello(record, extension(0, prefixed(2, []byte{1}, prefixed(2, []byte("a.example"))))), ""},
		"bytes behind the list":       {hello(record, extension(0, prefixed(2, []byte{0}, prefixed(2, []byte("a.example"))), []byte{0})), ""},
		"a NUL":                       {hello(record, sni("a.example\x00.b.example")), ""},
		"a space":                     {hello(record, sni("a.example ")), ""},
		"two dots":                    {hello(record, sni("a.example..")), ""},
		"a name of 254 bytes":         {hello(record, sni(strings.Repeat("a.", 126)+"aa")), ""},
		"no extensions":               {inRecords(append([]byte{1}, prefixed(3, append(append([]byte{3, 3}, make([]byte, 32)...), 0, 0, 2, 0x13, 1, 1, 0))...), record), ""},
		"an extension cut":            {hello(record, sni("a.example"), []byte{0, 9, 0, 9}), ""},
		"bytes behind the extensions": {inRecords(append([]byte{1}, prefixed(3, append(append([]byte{3, 3}, make([]byte, 32)...), 0, 0, 2, 0x13, 1, 1, 0, 0, 0, 7))...), record), ""},
		"another message":             {inRecords([]byte{2, 0, 0, 1, 0}, record), ""},
		"an alert between":            {append(hello(8, sni("a.example"))[:13:13], 21, 3, 1, 0, 2, 1, 0), ""},
		"a warning before the hello":  {append([]byte{21, 3, 1, 0, 2, 1, 90}, hello(record, sni("a.example"))...), ""},
		"ciphers before the hello":    {append([]byte{20, 3, 3, 0, 1, 1}, hello(record, sni("a.example"))...), ""},
		"an empty record":             {[]byte{22, 3, 1, 0, 0}, ""},
		"too long a message":          {[]byte{22, 3, 1, 0, 4, 1, 1, 0, 0}, ""},
		"too long a record":           {[]byte{22, 3, 1, 0x40, 1}, ""},
		"SSL 2's form, long":          {[]byte{0x8f, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 0x10}, ""},
		"SSL 2's form":                {[]byte{0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 0x10}, ""},
	} {
		got, more := sniff.Host(c.bytes)
		if more || got.Kind != sniff.TLS || got.Name != c.want {
			t.Errorf("%s: %+v, more: %v, want %q", what, got, more, c.want)
		}
	}
}

func TestHostWaitsForTheWholeClientHello(t *testing.T) {
	for _, whole := range [][]byte{clientHello(t, &tls.Config{ServerName: "a.example.org"}), hello(7, sni("a.example.org"), grease())} {
		for n := range whole {
			if got, more := sniff.Host(whole[:n]); !more || got.Name != "" {
				t.Fatalf("after %d of %d bytes: %+v, more: %v", n, len(whole), got, more)
			}
		}
		if got, more := sniff.Host(whole); more || got.Name != "a.example.org" {
			t.Errorf("at the end: %+v, more: %v", got, more)
		}
	}
}

func TestHostGivesUpAfterMaxPrefix(t *testing.T) {
	slow := bytes.Repeat([]byte{22, 3, 1, 0, 1, 1}, sniff.MaxPrefix/6+2)
	slow[11], slow[17], slow[23] = 0, 0xf0, 0 // a message of 61,440 bytes, one in each record
	head := "GET / HTTP/1.1\r\nHost: a.example\r\nX: " + strings.Repeat("x", sniff.MaxPrefix)
	for _, c := range []struct {
		bytes []byte
		kind  sniff.Kind
	}{{slow, sniff.TLS}, {[]byte(head), sniff.HTTP}, {[]byte("GET /" + strings.Repeat("x", sniff.MaxPrefix)), sniff.HTTP}, {[]byte(strings.Repeat("\r\n", sniff.MaxPrefix)), sniff.HTTP}} {
		if _, more := sniff.Host(c.bytes[:sniff.MaxPrefix-1]); !more {
			t.Errorf("%.20q: it gave up before the bound", c.bytes)
		}
		if got, more := sniff.Host(c.bytes); more || got.Kind != c.kind || got.Name != "" {
			t.Errorf("%.20q: %+v, more: %v", c.bytes, got, more)
		}
	}
}
