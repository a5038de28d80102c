package sniff_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/netstack/sniff"
)

func TestHostOfHTTP(t *testing.T) {
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n":                             "a.example",
		"GET / HTTP/1.1\nHost:a.example\n\n":                                    "a.example",
		"\r\n\r\nPOST /x HTTP/1.0\r\nA: b\r\nhOST: \tA.Example.:8080 \r\n\r\nb": "a.example",
		"GET / HTTP/1.1\r\nHost: 203.0.113.5:80\r\n\r\n":                        "203.0.113.5",
		"GET / HTTP/1.1\r\nHost: [2001:DB8::5]:80\r\n\r\n":                      "2001:db8::5",
		"GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n":          "a.example",
		"GET HTTPS://A.example?x HTTP/1.1\r\nHost: a.example\r\n\r\n":           "a.example",
		"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n":                         "a.example",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n":             "a.example",
		"M-SEARCH /x HTTP/1.1\r\nHost: a.example\r\n\r\n":                       "a.example",
		// What one server or another may take for another host.
		"GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n":           "",
		"GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n": "",
		"GET http:/b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n":            "",
		"GET b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n":                  "",
		"GET * HTTP/1.1\r\nHost: a.example\r\n\r\n":                           "",
		"CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n":           "",
		"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n":        "",
		"GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n":        "",
		"GET / HTTP/1.1\r\nHost : b.example\r\nHost: a.example\r\n\r\n":       "",
		"GET / HTTP/1.1\r\n Host: b.example\r\nHost: a.example\r\n\r\n":       "",
		"GET / HTTP/1.1\r\nHost: a.example\r\n b.example\r\n\r\n":             "",
		"GET / HTTP/1.1\r\nHost\x00: b\r\nHost: a.example\r\n\r\n":            "",
		"GET / HTTP/1.1\r\nX: y\rHost: b.example\r\nHost: a.example\r\n\r\n":  "",
		"GET / HTTP/1.1\r\nHost: a.example\x00b.example\r\n\r\n":              "",
		"GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n":                "",
		"GET / HTTP/1.1\r\nHost: b.example@a.example\r\n\r\n":                 "",
		"GET / HTTP/1.1\r\nHost: a.example:80:90\r\n\r\n":                     "",
		"GET / HTTP/1.1\r\nHost: a.example:x\r\n\r\n":                         "",
		"GET / HTTP/1.1\r\nHost: %61.example\r\n\r\n":                         "",
		"GET / HTTP/1.1\r\nHost: [a.example]\r\n\r\n":                         "",
		"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n":                                "",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n":                                     "",
		"GET / HTTP/1.1\r\nno field\r\nHost: a.example\r\n\r\n":               "",
		"GET / HTTP/1.0\r\n\r\n":                                              "",
		"GET /\r\n":                                                           "",
		"GET http://b.example/\r\n":                                           "",
		strings.Repeat("X", 65) + " / HTTP/1.1\r\nHost: a.example\r\n\r\n":    "a.example",
		strings.Repeat("X", 9000) + " / HTTP/1.0\r\n\r\n":                     "",
		" GET / HTTP/1.1\r\nHost: a.example\r\n\r\n":                          "",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                    "",
		"GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n":                          "",
		"GET\t/ HTTP/1.1\r\nHost: a.example\r\n\r\n":                          "",
		"GET\v/\fHTTP/1.1\r\nHost: a.example\r\n\r\n":                         "",
		"GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n":                          "",
		"GET / http/1.1\r\nHost: a.example\r\n\r\n":                           "",
		"GET / HTTP/1.9\r\nHost: a.example\r\n\r\n":                           "",
		"GET /\x00 HTTP/1.1\r\nHost: a.example\r\n\r\n":                       "",
		"GET / HTTP/1.1\rHost: b.example\r\nHost: a.example\r\n\r\n":          "",
	} {
		if got, more := sniff.Host([]byte(request)); more || got.Kind != sniff.HTTP || got.Name != want {
			t.Errorf("%q: %+v, more: %v, want %q", request, got, more, want)
		}
	}
}

func TestHostOfOtherProtocols(t *testing.T) {
	for _, first := range []string{
		"SSH-2.0-OpenSSH_9.2p1\r\n", "EHLO a.example\r\n", "*1\r\n$4\r\nPING\r\n", "0045git-upload-pack /x\x00host=a.example\x00",
		"\x00\x00\x00\x08\x04\xd2\x16\x2f", "OPTIONS rtsp://a.example/ RTSP/1.0\r\n", "INVITE sip:a@a.example SIP/2.0\r\n",
		"\x16\x01", "\xff\xfb\x01", "NICK a\r\n", " x\r\n", "get key\r\n", "\x80\x2e\x02",
	} {
		if got, more := sniff.Host([]byte(first)); more || got != (sniff.Destination{Kind: sniff.Other}) {
			t.Errorf("%q: %+v, more: %v", first, got, more)
		}
	}
}

// What a client said that says no more is looked at as a server would that takes
// it for whole.
func TestHostAtEnd(t *testing.T) {
	for all, want := range map[string]sniff.Destination{
		"":                                   {Kind: sniff.Other},
		"hello":                              {Kind: sniff.Other},
		"hello world":                        {Kind: sniff.Other},
		"\x16":                               {Kind: sniff.Other},
		"\x80\x2e":                           {Kind: sniff.Other},
		"\x16\x03\x01\x02":                   {Kind: sniff.TLS},
		"\x80\x2e\x01\x03":                   {Kind: sniff.TLS},
		"GET /":                              {Kind: sniff.HTTP},
		"GET / HTTP/1.0":                     {Kind: sniff.HTTP},
		"GET / HTTP/1.1\r\nHost: a.example":  {Kind: sniff.HTTP, Name: "a.example"},
		"GET / HTTP/1.1\r\nHost: a.exa\r\nX": {Kind: sniff.HTTP},
	} {
		if got := sniff.HostAtEnd([]byte(all)); got != want {
			t.Errorf("%q: %+v, want %+v", all, got, want)
		}
	}
	long := []byte("GET /" + strings.Repeat("x", sniff.MaxPrefix-6))
	if got := sniff.HostAtEnd(long); got != (sniff.Destination{Kind: sniff.HTTP}) {
		t.Errorf("a long request line: %+v", got)
	}
}

func TestHostWaitsForTheWholeHead(t *testing.T) {
	whole := "\r\nGET / HTTP/1.1\r\nAccept: */*\r\nHost: a.example\r\n\r\n"
	for n := range len(whole) {
		if got, more := sniff.Host([]byte(whole[:n])); !more || got.Name != "" {
			t.Errorf("after %q: %+v, more: %v", whole[:n], got, more)
		}
	}
}

// FuzzHost: what was told once stays, whatever follows.
func FuzzHost(f *testing.F) {
	f.Add(clientHello(f, &tls.Config{ServerName: "a.example"}), 40)
	f.Add(hello(5, grease(), sni("A.example.")), 3)
	f.Add([]byte("GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\nbody"), 20)
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 3)
	f.Add([]byte("\r\n\nGET /\x00"), 8)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		whole, wholeMore := sniff.Host(data)
		if wholeMore && (len(data) >= sniff.MaxPrefix || whole.Name != "") {
			t.Fatalf("%d bytes: %+v, and more", len(data), whole)
		}
		if whole.Kind == sniff.Other && whole.Name != "" || whole.Kind == "" || len(whole.Name) > 253 {
			t.Fatalf("%+v", whole)
		}
		if cut < 0 || cut >= len(data) {
			return
		}
		part, partMore := sniff.Host(data[:cut])
		if !partMore && (wholeMore || part != whole) {
			t.Fatalf("%q: %+v; with %q behind it: %+v, more: %v", data[:cut], part, data[cut:], whole, wholeMore)
		}
	})
}
