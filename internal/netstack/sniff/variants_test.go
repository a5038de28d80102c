package sniff_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	evil    = "evil.example"
	allowed = "allowed.example"
)

// variant is what a client could say to have a server take it for evil.
type variant struct {
	what  string
	bytes []byte
}

// shape is a ClientHello in records, each part of which can be another than the
// usual.
type shape struct {
	kind, major, minor byte
	size               int // of a record's data
	version            uint16
	before             []byte // records before it
	extensions         [][]byte
	padding            int
}

func plainShape(extensions ...[]byte) shape {
	return shape{kind: 22, major: 3, minor: 1, size: 1 << 14, version: 0x0303, extensions: extensions}
}

// encode makes a ClientHello of TLS 1.2 that servers go on with.
func (s shape) encode() []byte {
	body := append(binary.BigEndian.AppendUint16(nil, s.version), bytes.Repeat([]byte{7}, 32)...)
	body = append(body, 0)
	body = append(body, prefixed(2, []byte{0xc0, 0x2b, 0xc0, 0x2c, 0xc0, 0x2f, 0xc0, 0x30, 0xc0, 0x09, 0xc0, 0x0a, 0x00, 0xff})...)
	body = append(body, 1, 0)
	extensions := append([][]byte{
		extension(10, prefixed(2, []byte{0, 29, 0, 23})), extension(11, prefixed(1, []byte{0})),
		extension(13, prefixed(2, []byte{4, 3, 8, 4, 4, 1, 2, 3})),
	}, s.extensions...)
	if s.padding > 0 {
		extensions = append([][]byte{extension(21, make([]byte, s.padding))}, extensions...)
	}
	if all := bytes.Join(extensions, nil); len(all) < 1<<16 {
		body = append(body, prefixed(2, all)...)
	}
	message := append([]byte{1}, prefixed(3, body)...)
	out := bytes.Clone(s.before)
	for len(message) > 0 {
		n := min(s.size, len(message))
		out = append(out, s.kind, s.major, s.minor)
		out = append(out, prefixed(2, message[:n])...)
		message = message[n:]
	}
	return out
}

func tlsVariants() []variant {
	var out []variant
	add := func(s shape, what string, args ...any) {
		out = append(out, variant{fmt.Sprintf(what, args...), s.encode()})
	}
	named := plainShape(sni(evil))
	for major := range 256 {
		s := named
		s.major = byte(major)
		add(s, "a record of version %d", major)
	}
	for kind := range 256 {
		s := named
		s.kind = byte(kind)
		add(s, "a record of type %d", kind)
	}
	for _, minor := range []byte{0, 2, 3, 4, 99, 255} {
		s := named
		s.minor = minor
		add(s, "a record of minor version %d", minor)
	}
	for _, version := range []uint16{0, 0x0002, 0x0200, 0x0300, 0x0301, 0x0302, 0x0304, 0x0305, 0x0403, 0x7f12, 0xffff} {
		s := named
		s.version = version
		add(s, "a hello of version %x", version)
	}
	for _, size := range []int{1, 2, 3, 4, 5, 9, 64, 200} {
		for _, major := range []byte{3, 2, 4} {
			s := named
			s.size, s.major = size, major
			add(s, "records of %d bytes, version %d", size, major)
		}
	}
	for _, padding := range []int{1, 300, 16_000, 20_000, 40_000, 65_000, 65_300} {
		s := named
		s.padding = padding
		add(s, "a padding of %d bytes", padding)
	}
	for what, before := range map[string][]byte{
		"a warning": {21, 3, 1, 0, 2, 1, 90}, "a closing": {21, 3, 1, 0, 2, 1, 0}, "ciphers": {20, 3, 1, 0, 1, 1}, "an empty record": {22, 3, 1, 0, 0},
		"an empty record of data": {23, 3, 1, 0, 0}, "a heartbeat": {24, 3, 1, 0, 3, 1, 0, 0}, "line ends": []byte("\r\n"), "a zero": {0},
		"a warning of version 2": {21, 2, 1, 0, 2, 1, 90}, "a hello request": {22, 3, 1, 0, 4, 0, 0, 0, 0}, "two warnings": {21, 3, 1, 0, 2, 1, 90, 21, 3, 1, 0, 2, 1, 90},
		"SSH": []byte("SSH-2.0-x\r\n"), "PostgreSQL": []byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"),
	} {
		s := named
		s.before = before
		add(s, "%s before it", what)
	}
	for what, extensions := range map[string][][]byte{
		"the name":               {sni(evil)},
		"upper case":             {sni("EVIL.Example")},
		"a dot":                  {sni(evil + ".")},
		"another SNI before":     {sni(allowed), sni(evil)},
		"another SNI behind":     {sni(evil), sni(allowed)},
		"another name before":    {sni(allowed, evil)},
		"another name behind":    {sni(evil, allowed)},
		"a NUL and another":      {sni(evil + "\x00." + allowed)},
		"another and a NUL":      {sni(allowed + "\x00" + evil)},
		"a space":                {sni(evil + " ")},
		"a name of another type": {extension(0, prefixed(2, []byte{1}, prefixed(2, []byte(allowed)), []byte{0}, prefixed(2, []byte(evil))))},
		"bytes behind the list":  {extension(0, prefixed(2, []byte{0}, prefixed(2, []byte(evil))), []byte{0})},
		"a list too short":       {extension(0, []byte{0, 1, 0}, prefixed(2, []byte(evil)))},
		"bytes behind the name":  {extension(0, prefixed(2, []byte{0}, prefixed(2, []byte(evil)), []byte{0}))},
		"GREASE":                 {grease(), sni(evil), extension(0x1a1a)},
		"ECH":                    {extension(0xfe0d, []byte{1, 2, 3}), sni(evil)},
		"an ALPN":                {extension(16, prefixed(2, prefixed(1, []byte("http/1.1")))), sni(evil)},
		"early data":             {extension(42), sni(evil)},
		"an extension cut":       {sni(evil), {0, 9, 0, 9}},
		"a session ticket":       {extension(35), sni(evil)},
		"an extension twice":     {extension(35), extension(35), sni(evil)},
	} {
		for _, size := range []int{1 << 14, 7} {
			s := plainShape(extensions...)
			s.size = size
			add(s, "SNI: %s, records of %d", what, size)
		}
	}
	return out
}

func httpVariants() []variant {
	var out []variant
	add := func(text string) { out = append(out, variant{fmt.Sprintf("%.70q", text), []byte(text)}) }
	for _, method := range []string{
		"GET", "POST", "HEAD", "OPTIONS", "PROPFIND", "M-SEARCH", "get", "Get", "PRI", "SOURCE", "GET_PARAMETER", "DESCRIBE", "ANNOUNCE", "FOO", "X",
		"SSH-2.0-x", "@RSYNCD:", "*1", "AMQP\t\t\t\t", "AMQP", "0045git-upload-pack", "CONNECT", "QUERY", "INVITE", "G\x00ET", "\"GET\"", "G\u00c9T", "",
	} {
		for _, version := range []string{"HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1", "HTTP", "RTSP/1.0", "ICE/1.0", "SIP/2.0", "HTTP/1.10", "HTTP/01.1", "x", ""} {
			add(method + " / " + version + "\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n")
		}
	}
	for _, target := range []string{
		"/", "/\x01", "/\x7f", "/\x00", "/\x0b", "/ä", "/\x85", "/\xa0", "http://evil.example/", "http://allowed.example/", "HTTP://EVIL.EXAMPLE/", "http:/evil.example/", "//evil.example/", "*", "evil.example",
		"evil.example:80", "http://evil.example", "http://allowed.example@evil.example/", "http://evil.example@allowed.example/", "https://evil.example/", "ftp://evil.example/",
		"rtsp://evil.example/", "http://evil.example#@allowed.example/", "http://evil.example\\@allowed.example/", "?x", "/x y", "http://[::1]/", "x://evil.example/",
	} {
		for _, host := range []string{"Host: evil.example", "Host: allowed.example", ""} {
			for _, method := range []string{"GET", "CONNECT", "OPTIONS", "PROPFIND"} {
				if strings.Contains(target+host, "evil") || strings.Contains(strings.ToLower(target), "evil") {
					add(method + " " + target + " HTTP/1.1\r\n" + strings.TrimPrefix(host+"\r\nContent-Length: 0\r\n\r\n", "\r\n"))
				}
			}
		}
	}
	for _, before := range []string{"\r\n", "\n", "\r\n\r\n\r\n", " ", "\t", "\x00", "\x1c", "\x85", "\xa0", "\x0b", "\x0c", "\x01", "\x7f", "\xef\xbb\xbf", "\r", "x\r\n", "SSH-2.0-x\r\n", "*1\r\n$4\r\nPING\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "\x16\x03\x01\x00\x00", "\x15\x03\x01\x00\x02\x01\x00", "@RSYNCD: 31.0\n", "AMQP\x00\x00\x09\x01"} {
		add(before + "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
	}
	for _, space := range []string{"  ", "\t", "\x0b", "\x0c", "\x00", "\x1c", "\x1f", "\x85", "\xa0", "\r", "\x01", "%20", "+"} {
		add("GET" + space + "/ HTTP/1.1\r\nHost: evil.example\r\n\r\n")
		add("GET /" + space + "HTTP/1.1\r\nHost: evil.example\r\n\r\n")
		add("GET" + space + "/" + space + "HTTP/1.1\r\nHost: evil.example\r\n\r\n")
		add("GET / HTTP/1.1" + space + "\r\nHost: evil.example\r\n\r\n")
		add("GET / HTTP/1.1\r\nHost:" + space + "evil.example" + space + "\r\n\r\n")
		add("GET / HTTP/1.1\r\nHost" + space + ": evil.example\r\nHost: allowed.example\r\n\r\n")
	}
	for _, end := range []string{"\n", "\r", "\r\r\n", "\n\r", "\r\n ", "\x00\r\n", "\x85", "\x0b", "\x0c", "\x1e", "\u2028"} {
		add("GET / HTTP/1.1" + end + "Host: evil.example" + end + end)
		add("GET / HTTP/1.1" + end + "Host: evil.example\r\n\r\n")
		add("GET / HTTP/1.1\r\nX: y" + end + "Host: evil.example\r\n\r\n")
		add("GET / HTTP/1.1\r\nX: y" + end + "Host: evil.example\r\nHost: allowed.example\r\n\r\n")
		add("GET / HTTP/1.1\r\nHost: allowed.example\r\nX: y" + end + "Host: evil.example\r\n\r\n")
		add("GET / HTTP/1.1\r\nHost: evil.example" + end + end)
	}
	for _, fields := range []string{
		"Host: allowed.example\r\nHost: evil.example", "Host: evil.example\r\nHost: allowed.example", "Host: evil.example\r\nHost: evil.example", "hOsT: evil.example",
		"X: y\r\n z\r\nHost: evil.example", " Host: evil.example\r\nHost: allowed.example", "Host:\r\n evil.example", "Host: allowed.example,\r\n evil.example",
		"Host: evil.example:80", "Host: evil.example:", "Host: evil.example.", "Host: EVIL.EXAMPLE", "Host: allowed.example@evil.example", "Host: evil.example@allowed.example", "Host: evil.example:x", "Host: evil.example:80:90",
		"Host: allowed.example\x00evil.example", "Host: evil.example\x00allowed.example", "Host: evil.example, allowed.example", "Host: evil.example/allowed.example", "Host: http://evil.example", "Host: evil.example#x", "Host: [evil.example]",
		"Host: %65vil.example", "Host\x00: evil.example", "Host;: evil.example", "\"Host\": evil.example", "Host evil.example", "Host=evil.example", ": x\r\nHost: evil.example", "Ho st: evil.example", "H\u00f6st: x\r\nHost: evil.example",
		"Host: \"evil.example\"", "Host: evil.example;x", "Host: evil.example?x", "Host: evil..example", "Host: .evil.example", "Host: evil.example\t", "Host: \tevil.example", "\r\nHost: evil.example", "no field\r\nHost: evil.example",
		"Transfer-Encoding: chunked\r\nHost: evil.example", "Expect: 100-continue\r\nHost: evil.example", "Connection: upgrade\r\nUpgrade: websocket\r\nHost: evil.example", "Connection: Host\r\nHost: evil.example", "X: " + strings.Repeat("y", 70_000) + "\r\nHost: evil.example",
	} {
		for _, first := range []string{"GET / HTTP/1.1", "GET / HTTP/1.0", "POST / HTTP/1.1"} {
			add(first + "\r\n" + fields + "\r\n\r\n")
		}
	}
	const second = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"
	for _, before := range []string{"", "\r\n", "\n", " ", "hello", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"} {
		for _, fields := range []string{
			"", "Content-Length: 0\r\n", "Content-Length: 5\r\n", "Content-Length: 5\r\nExpect: 100-continue\r\n", "Content-Length: 500\r\n", "Content-Length: 500\r\nExpect: 100-continue\r\n",
			"Content-Length: 45\r\n", "Content-Length: 47\r\n", "Content-Length: 10\r\n", "Content-Length: 20\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "Transfer-Encoding: identity\r\n", "Content-Length: 1\r\nContent-Length: 5\r\n",
			"Upgrade: websocket\r\nConnection: Upgrade\r\n", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
		} {
			for _, first := range []string{"GET", "POST", "HEAD", "OPTIONS", "CONNECT"} {
				add(first + " / HTTP/1.1\r\nHost: allowed.example\r\n" + fields + "\r\n" + before + second)
			}
		}
	}
	for _, whole := range []string{"GET http://evil.example/\r\n", "GET /\r\nHost: evil.example\r\n\r\n", "GET http://evil.example/ x\r\n\r\n", "POST / HTTP\r\nHost: evil.example\r\n\r\n", "GET / HTTP/1.1\r\nHost: evil.example", "GET / HTTP/1.1\r\nHost: evil.example\r\n"} {
		add(whole)
	}
	return out
}

// throughProxies are what a client says behind the headers of the PROXY protocol.
func throughProxies(bytes []byte) []variant {
	const signature = "\r\n\r\n\x00\r\nQUIT\n"
	var out []variant
	for _, head := range []string{
		"PROXY UNKNOWN\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
		signature + "\x20\x00\x00\x00", signature + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02",
	} {
		out = append(out, variant{fmt.Sprintf("%.20q", head), append([]byte(head), bytes...)})
	}
	return out
}
