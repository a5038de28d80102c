package sniff_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/netstack/sniff"
)

// A second ClientHello, which a server asks for by HelloRetryRequest, is judged
// before any byte of it goes on; and what makes one impossible ends the looking.
func TestASecondClientHello(t *testing.T) {
	const record = 1 << 14
	first, early := hello(record, sni("a.example")), hello(record, sni("a.example"), extension(42))
	second := hello(record, sni("b.example"))
	ciphers, data := []byte{20, 3, 3, 0, 1, 1}, []byte{23, 3, 3, 0, 3, 7, 7, 7}
	exchange := []byte{22, 3, 3, 0, 4, 16, 0, 0, 0}
	// The encrypted end of a handshake of TLS 1.2 that resumes a session; its bytes are any.
	finished := append([]byte{22, 3, 3, 0, 40, 1, 9}, bytes.Repeat([]byte{0x9a}, 38)...)
	large := append([]byte{22, 3, 3, 0, 200, 1, 1, 0, 0}, bytes.Repeat([]byte{7}, 196)...)
	for name, c := range map[string]struct {
		first []byte
		then  [][]byte
		said  string // of the second
		over  bool
	}{
		"it alone":               {first, [][]byte{second}, "b.example", true},
		"the same":               {first, [][]byte{first}, "a.example", true},
		"behind ciphers":         {first, [][]byte{ciphers, second}, "b.example", true},
		"behind an alert":        {first, [][]byte{{21, 3, 3, 0, 2, 1, 0}, second}, "b.example", true},
		"in small records":       {first, [][]byte{hello(3, sni("b.example"))}, "b.example", true},
		"malformed":              {first, [][]byte{hello(record, sni("b.example"), sni("a.example"))}, "unsound", true},
		"without a name":         {first, [][]byte{hello(record, grease())}, "absent", true},
		"an old version":         {first, [][]byte{append([]byte{22, 2}, second[2:]...)}, "unsound", true},
		"behind early data":      {early, [][]byte{data, ciphers, data, second}, "b.example", true},
		"TLS 1.3":                {first, [][]byte{ciphers, data, second}, "", true},
		"TLS 1.2":                {first, [][]byte{exchange, second}, "", true},
		"TLS 1.2, resumed":       {first, [][]byte{ciphers, finished, data, second}, "", true},
		"resumed, with an alert": {first, [][]byte{ciphers, finished, {21, 3, 3, 0, 2, 7, 7}, data}, "", true},
		"resumed, silent":        {first, [][]byte{ciphers, finished}, "", false},
		"too long":               {first, [][]byte{ciphers, large, large}, "unsound", true},
		"too long, with ciphers": {first, [][]byte{ciphers, large, ciphers, large}, "unsound", true},
		"too long, behind early": {early, [][]byte{data, ciphers, large}, "unsound", true},
		"too long, no ciphers":   {first, [][]byte{large}, "unsound", true},
		"early data for ever":    {early, [][]byte{bytes.Repeat(data, 50)}, "", false},
		"nothing":                {first, nil, "", false},
		"an empty record before": {first, [][]byte{{22, 3, 3, 0, 0}, second}, "unsound", true},
		"no record":              {first, [][]byte{[]byte("GET / HTTP/1.1\r\n"), second}, "unsound", true},
	} {
		stream := append(bytes.Clone(c.first), bytes.Join(c.then, nil)...)
		for _, size := range []int{1, 2, 7, 1 << 16} {
			retry, at := sniff.NewRetry(stream)
			if retry == nil || at != len(c.first) {
				t.Fatalf("%s: the first has %d bytes, not %d", name, at, len(c.first))
			}
			passed, judged := 0, ""
			for at < len(stream) {
				n := min(size, len(stream)-at)
				pass, said := retry.Next(stream[at : at+n])
				if said != nil {
					judged = summary(*said)
				} else if c.said != "" && judged == "" && bytes.Contains(pass, []byte("b.example")) {
					t.Errorf("%s: a name went on before it was judged", name)
				}
				if !bytes.Equal(pass, stream[len(c.first)+passed:][:len(pass)]) {
					t.Fatalf("%s: the bytes are others", name)
				}
				passed, at = passed+len(pass), at+n
				if retry.Over() {
					break
				}
			}
			if judged != c.said || retry.Over() != c.over || retry.Over() && len(c.first)+passed != at {
				t.Errorf("%s, %d bytes at once: said %q, over %v, passed %d of %d", name, size, judged, retry.Over(), passed, at)
			}
		}
	}
	if retry, _ := sniff.NewRetry([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); retry != nil {
		t.Error("HTTP has a second ClientHello")
	}
}

// What is held back of a second ClientHello is bounded.
func TestASecondClientHelloWithoutEnd(t *testing.T) {
	retry, _ := sniff.NewRetry(hello(1<<14, sni("a.example")))
	endless := []byte("\x16\x03\x01\x40\x00\x01\x00\xf0\x00" + strings.Repeat("x", 1<<14-4))
	for range 40 {
		if _, said := retry.Next(endless); said != nil {
			if summary(*said) != "unsound" {
				t.Errorf("it is %+v", said)
			}
			return
		}
		if retry.Held() > sniff.MaxPrefix {
			t.Fatalf("%d bytes are held", retry.Held())
		}
		endless = []byte("\x16\x03\x01\x00\x10" + strings.Repeat("x", 16))
		endless = bytes.Repeat(endless, 200)
	}
	t.Error("it is never judged")
}
