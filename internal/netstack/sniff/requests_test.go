package sniff_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/netstack/sniff"
)

// follow gives a stream, in pieces, to what follows its first request, and returns
// what each later one says, what passed, and whether another protocol follows.
func follow(t *testing.T, stream string, size int) (said []string, passed string, over bool) {
	t.Helper()
	requests, at := sniff.NewRequests([]byte(stream))
	if requests == nil {
		t.Fatalf("%.60q is no request", stream)
	}
	passed = stream[:at]
	for at < len(stream) {
		n := min(size, len(stream)-at)
		more := []byte(stream[at : at+n])
		for at += n; ; more = nil {
			pass, verdict := requests.Next(more)
			if verdict == nil {
				passed += string(pass)
				break
			}
			if said = append(said, summary(*verdict)); said[len(said)-1] == "unsound" {
				return said, passed, false
			}
			passed += string(pass)
		}
		if requests.Over() {
			return said, passed + stream[at:], true
		}
	}
	return said, passed, false
}

func TestLaterRequests(t *testing.T) {
	const (
		a       = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
		b       = "GET http://c.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n"
		post    = "POST / HTTP/1.1\r\nHost: a.example\r\n"
		chunks  = post + "Transfer-Encoding: Chunked\r\n\r\n"
		upgrade = "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: x\r\n\r\n"
	)
	for stream, want := range map[string]string{
		a:     "",
		a + b: "b.example c.example", a + a + b: "a.example,b.example c.example",
		post + "Content-Length: 3\r\n\r\nGET" + b: "b.example c.example", post + "Content-Length: 0\r\n\r\n" + b: "b.example c.example",
		post + "Content-Length: 99\r\n\r\n" + b: "unsound", post + "Content-Length: 20\r\n\r\n\r\nGET / HTTP/1.1\r\nH: ": "unsound",
		post + "Content-Length: 11\r\n\r\nhello world" + b: "b.example c.example", post + "Content-Length: 12\r\n\r\nget\r\nthings\n" + b: "b.example c.example",
		chunks + "3\r\nGET\r\n0\r\n\r\n" + b: "b.example c.example", chunks + "a\r\n0123456789\r\n1\r\nx\r\n0\r\nX: y\r\n\r\n" + b: "b.example c.example",
		chunks + "3;x\r\nGET\r\n0\r\n\r\n" + b: "unsound", chunks + "3 \r\nGET\r\n0\r\n\r\n": "unsound", chunks + "0x3\r\nGET\r\n": "unsound",
		chunks + "3\nGET\n0\n\n" + b: "unsound", chunks + "3\r\nGETX\r\n": "unsound", chunks + "-3\r\n": "unsound", chunks + "\r\n": "unsound",
		chunks + "ffffffffffffffffffffffff\r\n": "unsound", chunks + strings.Repeat("0", 30): "unsound", chunks + "0\r\nGET / HTTP/1.1\r\n\r\n": "unsound",
		chunks + "+3\r\nGET\r\n": "unsound", chunks + "3_0\r\nGET\r\n": "unsound",
		a + "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n": "unsound", a + "GET / HTTP/1.1\r\nHost: a.example\r\n\tx\r\n\r\n": "unsound",
		a + "\r\n" + b: "unsound", a + "hello there\r\n": "unsound", a + "\x00": "unsound", a + "\x16\x03\x01": "unsound", a + "PING\r\n": "unsound", a + "PRI * HTTP/2.0\r\n\r\n": "unsound",
		a + "GET / HTTP/1.1\r\nX: " + strings.Repeat("y", 70_000): "unsound",
		upgrade + b: "b.example c.example", upgrade + "\x81\x85": "over", upgrade + "hello there\r\n": "over", upgrade + "GET /\r\n": "unsound",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n\x16\x03\x01": "over",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n" + b:         "b.example c.example",
	} {
		for _, size := range []int{1, 2, 7, 1 << 20} {
			if size < 7 && len(stream) > 10_000 {
				continue
			}
			said, passed, over := follow(t, stream, size)
			got := strings.Join(said, ",")
			if over {
				got = "over"
			}
			if got != want {
				t.Errorf("%.120q, %d bytes at once: %q, want %q", stream, size, got, want)
			}
			if !strings.HasPrefix(stream, passed) || want != "unsound" && passed != stream {
				t.Errorf("%.120q, %d bytes at once: passed %d bytes of %d", stream, size, len(passed), len(stream))
			}
		}
	}
	// Where a request does not say clearly where it ends, its first one is unsound too.
	for _, fields := range []string{
		"Content-Length: 3\r\nContent-Length: 3", "Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
		"Transfer-Encoding: identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Content-Length: +3", "Content-Length: 3, 3", "Content-Length:", "Content-Length: 0x3",
		"Content-Length: 9999999999999999999",
	} {
		if said, more := sniff.First([]byte(post+fields+"\r\n\r\nabc"), false); more || summary(said) != "unsound" {
			t.Errorf("%q: %+v", fields, said)
		}
	}
	if said, more := sniff.First([]byte("POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"), false); more || summary(said) != "unsound" {
		t.Errorf("chunks of HTTP/1.0: %+v", said)
	}
}

// recorder is a connection that keeps what its client says.
type recorder struct {
	net.Conn
	mu  *sync.Mutex
	all *bytes.Buffer
}

func (r recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all.Write(p[:n])
	return n, err
}

// recording is a listener whose connections are kept.
type recording struct {
	net.Listener
	mu      sync.Mutex
	streams []*bytes.Buffer
}

func (r *recording) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams = append(r.streams, new(bytes.Buffer))
	return recorder{conn, &r.mu, r.streams[len(r.streams)-1]}, nil
}

// All that sound clients say on a connection is sound.
func TestSoundClientsGoOn(t *testing.T) {
	for what, c := range map[string]struct {
		requests int
		run      func(ctx context.Context, t *testing.T, port string)
	}{
		"Go": {3, func(ctx context.Context, t *testing.T, port string) {
			client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Second}}
			for _, body := range []io.Reader{nil, strings.NewReader("short"), io.MultiReader(strings.NewReader("in "), strings.NewReader("chunks"))} {
				request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://127.0.0.1:"+port+"/", body)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Expect", "100-continue")
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
			client.CloseIdleConnections()
		}},
		"curl": {3, command("curl", "-s", "http://127.0.0.1:PORT/", "--next", "-s", "-d", "x=y", "http://127.0.0.1:PORT/b",
			"--next", "-s", "-H", "Transfer-Encoding: chunked", "-d", "chunks", "http://127.0.0.1:PORT/c")},
		"Python": {3, command("python3", "-c", `import http.client
c = http.client.HTTPConnection("127.0.0.1", PORT)
for body in None, b"short", iter([b"in ", b"chunks"]):
    c.request("POST", "/", body=body, encode_chunked=True)
    c.getresponse().read()`)},
		"Node": {2, command("node", "-e", `const http = require('http'), agent = new http.Agent({keepAlive: true, maxSockets: 1});
let left = 2;
for (const body of ['a', 'b']) { const r = http.request({port: PORT, host: '127.0.0.1', method: 'POST', agent}, a => a.resume().on('end', () => { if (--left == 0) process.exit() })); r.write(body); r.end('x'); }`)},
		"apt": {1, func(ctx context.Context, t *testing.T, port string) {
			dir := t.TempDir()
			queue := ""
			for _, name := range []string{"x", "y"} {
				queue += "600 URI Acquire\nURI: http://127.0.0.1:" + port + "/" + name + "\nFilename: " + dir + "/" + name + "\n\n"
			}
			commandWith(queue, "/usr/lib/apt/methods/http")(ctx, t, port)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
			if err != nil {
				t.Fatal(err)
			}
			kept := &recording{Listener: l}
			web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(w, "x")
			})}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = web.Serve(kept)
			}()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			c.run(ctx, t, port)
			_ = web.Close()
			<-done
			kept.mu.Lock()
			defer kept.mu.Unlock()
			requests := 0
			for _, stream := range kept.streams {
				if stream.Len() == 0 {
					continue
				}
				said, passed, _ := follow(t, stream.String(), 100)
				if slices.Contains(said, "unsound") || passed != stream.String() {
					t.Errorf("%q: %q", stream, said)
				}
				requests += 1 + len(said)
			}
			if requests < c.requests {
				t.Errorf("it made %d requests, not %d", requests, c.requests)
			}
		})
	}
}
