package sniff_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/sniff"
)

// summary is the hosts of sound speech, "absent" if it names none, or what kind of
// speech it is.
func summary(said egress.Said) string {
	switch {
	case said.Speech != egress.Sound:
		return string(said.Speech)
	case len(said.Hosts) == 0:
		return "absent"
	default:
		return strings.Join(said.Hosts, " ")
	}
}

func TestHostsOfHTTP(t *testing.T) {
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n":                           "a.example",
		"POST /x HTTP/1.0\r\nA: b\r\nhOST: \tA.Example.:8080 \r\n\r\nb":       "a.example",
		"GET / HTTP/1.1\r\nHost: 203.0.113.5:80\r\n\r\n":                      "203.0.113.5",
		"GET / HTTP/1.1\r\nHost: [2001:DB8::5]:80\r\n\r\n":                    "2001:db8::5",
		"GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n":        "a.example",
		"GET HTTPS://A.example?x HTTP/1.1\r\nHost: a.example\r\n\r\n":         "a.example",
		"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n":                       "a.example",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n":           "a.example",
		"M-SEARCH /x HTTP/1.1\r\nHost: a.example\r\n\r\n":                     "a.example",
		"0045git-upload-pack / HTTP/1.1\r\nHost: a.example\r\n\r\n":           "a.example",
		"SSH-2.0-x / HTTP/1.1\r\nHost: a.example\r\n\r\n":                     "a.example",
		"GET / HTTP/1.0\r\n\r\n":                                              "absent",
		"GET http://b.example/ HTTP/1.0\r\n\r\n":                              "b.example",
		"GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n":           "a.example b.example",
		"CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n":           "a.example b.example",
		"GET / HTTP/1.1\r\nX: \xc3\xa4\r\nHost: a.example\r\n\r\n":            "a.example",
		strings.Repeat("X", 65) + " / HTTP/1.1\r\nHost: a.example\r\n\r\n":    "a.example",
		"GET / HTTP/1.1\nHost:a.example\n\n":                                  "unsound",
		"GET / HTTP/1.1\r\nHost:a.example\n\r\n":                              "unsound",
		"\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n":                       "unsound",
		"GET http://a.example@b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n": "unsound",
		"GET http:/b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n":            "unsound",
		"GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n":            "unsound",
		"GET b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n":                  "unsound",
		"GET * HTTP/1.1\r\nHost: a.example\r\n\r\n":                           "unsound",
		"GET / HTTP/1.1\r\n\r\n":                                              "unsound",
		"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n":        "unsound",
		"GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n":        "unsound",
		"GET / HTTP/1.1\r\nHost : b.example\r\nHost: a.example\r\n\r\n":       "unsound",
		"GET / HTTP/1.1\r\n Host: b.example\r\nHost: a.example\r\n\r\n":       "unsound",
		"GET / HTTP/1.1\r\nHost: a.example\r\n b.example\r\n\r\n":             "unsound",
		"GET / HTTP/1.1\r\nHost\x00: b\r\nHost: a.example\r\n\r\n":            "unsound",
		"GET / HTTP/1.1\r\nX: y\rHost: b.example\r\nHost: a.example\r\n\r\n":  "unsound",
		"GET / HTTP/1.1\r\nHost: a.example\x00b.example\r\n\r\n":              "unsound",
		"GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n":                "unsound",
		"GET / HTTP/1.1\r\nHost: b.example@a.example\r\n\r\n":                 "unsound",
		"GET / HTTP/1.1\r\nHost: a.example:80:90\r\n\r\n":                     "unsound",
		"GET / HTTP/1.1\r\nHost: a.example:x\r\n\r\n":                         "unsound",
		"GET / HTTP/1.1\r\nHost: %61.example\r\n\r\n":                         "unsound",
		"GET / HTTP/1.1\r\nHost: [a.example]\r\n\r\n":                         "unsound",
		"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n":                                "unsound",
		"GET / HTTP/1.1\r\nHost: [fe80::1%eth0]\r\n\r\n":                      "unsound",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n":                                     "unsound",
		"GET / HTTP/1.1\r\nno field\r\nHost: a.example\r\n\r\n":               "unsound",
		"GET /\r\n":                                        "unsound",
		"GET http://b.example/\r\n":                        "unsound",
		"GET http://b.example/ x\r\n":                      "unsound",
		"POST / HTTP\r\n":                                  "unsound",
		" GET / HTTP/1.1\r\nHost: a.example\r\n\r\n":       "unsound",
		"\x1cGET / HTTP/1.1\r\nHost: a.example\r\n\r\n":    "unsound",
		"\x85GET / HTTP/1.1\r\nHost: a.example\r\n\r\n":    "unsound",
		"GET\xa0/ HTTP/1.1\r\nHost: a.example\r\n\r\n":     "unsound",
		"GET /\xa0 HTTP/1.1\r\nHost: a.example\r\n\r\n":    "unsound",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                 "unsound",
		"GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n":       "unsound",
		"GET\t/ HTTP/1.1\r\nHost: a.example\r\n\r\n":       "unsound",
		"GET\v/\fHTTP/1.1\r\nHost: a.example\r\n\r\n":      "unsound",
		"GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n":       "unsound",
		"GET / http/1.1\r\nHost: a.example\r\n\r\n":        "unsound",
		"GET / HTTP/1.9\r\nHost: a.example\r\n\r\n":        "unsound",
		"GET / HTTP/2.0\r\nHost: a.example\r\n\r\n":        "unsound",
		"GET /\x00 HTTP/1.1\r\nHost: a.example\r\n\r\n":    "unsound",
		"PROPFIND /\x01 HTTP/1.1\r\nHost: a.example\r\n":   "unsound",
		"PROPFIND /\x01 HTTP/1.1":                          "unsound",
		"POST / RTSP/1.0\r\nHost: a.example\r\n\r\n":       "unsound",
		"SOURCE / ICE/1.0\r\nHost: a.example\r\n\r\n":      "unsound",
		"OPTIONS rtsp://a.example/ RTSP/1.0\r\n":           "unsound",
		"INVITE sip:a@a.example SIP/2.0\r\n":               "unsound",
		"X y HTTP/1.1 z\r\n":                               "unsound",
		"GET / HTTP/1.1\rHost: b\r\nHost: a.example\r\n\r": "unsound",
	} {
		for _, greeted := range []bool{false, true} {
			if greeted && (request[0] <= ' ' || request[0] >= 0x80 || strings.HasPrefix(request, "GET\xa0") || strings.HasPrefix(request, "GET\v")) {
				continue // no server that speaks first skips these
			}
			if got, more := sniff.First([]byte(request), greeted); more || summary(got) != want {
				t.Errorf("%q, greeted %v: %+v, more: %v, want %q", request, greeted, got, more, want)
			}
		}
	}
}

// What is neither TLS nor HTTP is told apart by what some server could still make
// of it.
func TestOtherSpeech(t *testing.T) {
	for first, want := range map[string]string{
		"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n": "ssh", "SSH-2.0-Go\r\n": "ssh", "SSH-1.99-x\n": "ssh",
		"SSH-2.0-x http://a.example y\r\n": "words", "SSH-2.0-x / y\r\n": "words", "SSH-3.0-x\r\n": "unknown",
		"SSH-2.0-x\ty\r\n": "words", "SSH-2.0-" + strings.Repeat("x", 300) + "\r\n": "unknown",
		"\x00\x00\x00\x08\x04\xd2\x16\x2f": "foreign", "\x00\x00\x00\x08\x04\xd2\x16\x30": "foreign",
		"\x00\x00\x00\x10\x04\xd2\x16\x2e12345678": "foreign", "\x00\x00\x00\x20\x00\x03\x00\x00user\x00": "foreign",
		"\x00\x00\x00\x20\x00\x04\x00\x00": "unknown", "\x00\x00\x40\x20\x00\x03\x00\x00": "unknown",
		"*1\r\n$4\r\nPING\r\n": "foreign", "*1 / HTTP/1.1 x\r\n": "unsound", "*x\r\n": "unknown",
		"AMQP\x00\x00\x09\x01": "foreign", "AMQP\x03\x01\x00\x00": "foreign", "AMQP\t\t\t\t/ HTTP/1.1\r\n": "unsound",
		"\x10\x0e\x00\x04MQTT\x04\x02": "foreign", "\x10\x8e\x01\x00\x04MQTT": "foreign", "\x10\x0e\x00\x04HTTP": "unknown",
		"\x3f\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00": "foreign",
		"\x3f\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x09\x00\x00": "unknown",
		"@RSYNCD: 31.0 sha512 md5\n":                                       "foreign", "@RSYNCD: / HTTP/1.1\r\n": "unknown",
		"EHLO a.example\r\n": "words", "NICK a\r\n": "words", "get key\r\n": "unsound", " x y\r\n": "unsound", "KEY get\r\n": "words",
		"\r\n\r\n\x00\r\nQUIT\n": "unsound", "\r\n\r\n\x00\r\nquit\n": "unknown",
		"PING\r\n": "unknown", "\xff\xfb\x03": "unknown", "\x80\x2e\x02": "unknown", "<stream:stream>": "unknown",
		"0045git-upload-pack /x\x00host=a.example\x00\n": "unsound",
	} {
		if got, more := sniff.First([]byte(first), false); more || summary(got) != want {
			t.Errorf("%q: %+v, more: %v, want %s", first, got, more, want)
		}
		for n := range first {
			if got, more := sniff.First([]byte(first[:n]), false); !more && summary(got) != want {
				t.Errorf("%q: %+v already", first[:n], got)
			}
		}
	}
}

// To a server that spoke first, all is as it looks: what a server of TLS or HTTP
// would do with it is no matter.
func TestSpeechBehindAGreeting(t *testing.T) {
	for first, want := range map[string]string{
		"EHLO a.example\r\n": "greeted", "USER a\r\n": "greeted", "PING\r\n": "greeted", "\xff\xfb\x01": "greeted",
		"\x20\x00\x00\x01\x85\xa6\xff": "greeted", "U\x00\x00\x01\x85\xa6\xff": "greeted", "\x16\x01\x00\x01\x85\xa6": "greeted",
		"SSH-2.0-x\r\n": "ssh", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n": "a.example", "\x16\x03\x01\x00\x00": "unsound",
		"\x85\x00\x01\x01\x85\xa6": "greeted",
	} {
		if got, more := sniff.First([]byte(first), true); more || summary(got) != want {
			t.Errorf("%q: %+v, more: %v, want %s", first, got, more, want)
		}
	}
}

func TestGreets(t *testing.T) {
	for first, want := range map[string]bool{
		"220 ready\r\n": true, "SSH-2.0-x\r\n": true, "J\x00\x00\x00\x0a8.0": true, "": false,
		"HTTP/1.1 408 Request Timeout\r\n": false, "H": false, "HTTP": false, "HELLO": true, "\x15\x03\x03\x00\x02\x02\x28": false, "\x16": false,
	} {
		if got := sniff.Greets([]byte(first)); got != want {
			t.Errorf("%q: %v", first, got)
		}
	}
}

// What a client said that says no more is looked at as a server would that takes
// it for whole.
func TestFirstAtEnd(t *testing.T) {
	for all, want := range map[string]string{
		"": "unknown", "x": "unknown", "hello": "unknown", "hello world": "words", "\x00": "unknown", "@RSYNCD: 31": "foreign",
		"\x16": "unsound", "\x80\x2e": "unsound", "\x16\x03\x01\x02": "unsound", "\x80\x2e\x01\x03": "unsound",
		"GET /": "unsound", "GET / HTTP/1.0": "unsound", "FOO / HTTP/1.1\r\nHost: b.example": "unsound",
		"GET / HTTP/1.1\r\nHost: a.example": "unsound", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n": "a.example",
	} {
		if got := sniff.FirstAtEnd([]byte(all), false); summary(got) != want {
			t.Errorf("%q: %+v, want %s", all, got, want)
		}
	}
	long := []byte("GET /" + strings.Repeat("x", sniff.MaxPrefix-6))
	if got := sniff.FirstAtEnd(long, false); got.Speech != egress.Unsound {
		t.Errorf("a long request line: %+v", got)
	}
}

func TestItWaitsForTheWholeHead(t *testing.T) {
	whole := "GET / HTTP/1.1\r\nAccept: */*\r\nHost: a.example\r\n\r\n"
	for n := range len(whole) {
		if got, more := sniff.First([]byte(whole[:n]), false); !more || len(got.Hosts) > 0 {
			t.Errorf("after %q: %+v, more: %v", whole[:n], got, more)
		}
	}
}

// FuzzFirst: what was told once stays, whatever follows.
func FuzzFirst(f *testing.F) {
	f.Add(clientHello(f, &tls.Config{ServerName: "a.example"}), 40, false)
	f.Add(hello(5, grease(), sni("A.example.")), 3, false)
	f.Add([]byte("GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\nbody"), 20, true)
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 3, false)
	f.Add([]byte("\r\n\nGET /\x00"), 8, false)
	f.Add([]byte("SSH-2.0-x y\r\n"), 8, false)
	f.Add([]byte("\x10\x8e\x01\x00\x04MQTT"), 3, false)
	f.Fuzz(func(t *testing.T, data []byte, cut int, greeted bool) {
		whole, wholeMore := sniff.First(data, greeted)
		if wholeMore && (len(data) >= sniff.MaxPrefix || len(whole.Hosts) > 0) {
			t.Fatalf("%d bytes: %+v, and more", len(data), whole)
		}
		if whole.Speech != egress.Sound && len(whole.Hosts) > 0 || whole.Speech == "" {
			t.Fatalf("%+v", whole)
		}
		if sniff.FirstAtEnd(data, greeted).Speech == "" {
			t.Fatal("no speech at the end")
		}
		if cut < 0 || cut >= len(data) {
			return
		}
		part, partMore := sniff.First(data[:cut], greeted)
		if !partMore && (wholeMore || summary(part) != summary(whole)) {
			t.Fatalf("%q: %+v; with %q behind it: %+v, more: %v", data[:cut], part, data[cut:], whole, wholeMore)
		}
	})
}
