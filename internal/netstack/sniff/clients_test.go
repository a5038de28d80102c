package sniff_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/netstack/sniff"
)

// What sound clients say first is taken for what it is.
func TestSoundClients(t *testing.T) {
	const name = allowed
	for what, c := range map[string]struct {
		want string
		run  func(ctx context.Context, t *testing.T, port string)
	}{
		"Go over TLS": {name, func(ctx context.Context, _ *testing.T, port string) {
			dialer := tls.Dialer{Config: &tls.Config{ServerName: name}}
			if conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port); err == nil {
				_ = conn.Close()
			}
		}},
		"Go over HTTP": {name, func(ctx context.Context, t *testing.T, port string) {
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+port+"/a%20b?c=d", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			request.Host = name
			if response, err := (&http.Transport{}).RoundTrip(request); err == nil {
				_ = response.Body.Close()
			}
		}},
		"curl over TLS":    {name, command("curl", "-sk", "--resolve", name+":PORT:127.0.0.1", "https://"+name+":PORT/")},
		"curl over HTTP":   {name, command("curl", "-s", "--resolve", name+":PORT:127.0.0.1", "-d", "x=y", "http://"+name+":PORT/ä?b=//c")},
		"curl to a proxy":  {"127.0.0.1", command("curl", "-s", "-x", "http://127.0.0.1:PORT", "http://127.0.0.1/")},
		"git over TLS":     {name, command("git", "-c", "http.curloptResolve="+name+":PORT:127.0.0.1", "ls-remote", "https://"+name+":PORT/x.git")},
		"git over HTTP":    {name, command("git", "-c", "http.curloptResolve="+name+":PORT:127.0.0.1", "ls-remote", "http://"+name+":PORT/x.git")},
		"OpenSSL":          {name, command("openssl", "s_client", "-connect", "127.0.0.1:PORT", "-servername", name)},
		"OpenSSL 1.2":      {name, command("openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:PORT", "-servername", name)},
		"OpenSSL, unnamed": {"absent", command("openssl", "s_client", "-connect", "127.0.0.1:PORT", "-noservername")},
		"GnuTLS":           {name, command("gnutls-cli", "--insecure", "--sni-hostname", name, "--port", "PORT", "127.0.0.1")},
		"Python over TLS": {name, command("python3", "-c", `import socket, ssl
ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", PORT)), server_hostname="`+name+`")`)},
		"Python over HTTP": {name, command("python3", "-c", `import http.client
http.client.HTTPConnection("127.0.0.1", PORT).request("PUT", "/", body=b"x", headers={"Host": "`+name+`:8080"})`)},
		"Node over TLS":  {name, command("node", "-e", `require('tls').connect({port: PORT, host: '127.0.0.1', servername: '`+name+`', rejectUnauthorized: false})`)},
		"Node over HTTP": {name, command("node", "-e", `require('http').get({port: PORT, host: '127.0.0.1', headers: {host: '`+name+`'}})`)},
		"apt": {"127.0.0.1", func(ctx context.Context, t *testing.T, port string) {
			commandWith("600 URI Acquire\nURI: http://127.0.0.1:PORT/x\nFilename: "+t.TempDir()+"/x\n\n", "/usr/lib/apt/methods/http")(ctx, t, port)
		}},
		"SSH":          {"ssh", command("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-F", "none", "-p", "PORT", "127.0.0.1")},
		"busybox wget": {"127.0.0.1", command("busybox", "wget", "-O", "-", "http://127.0.0.1:PORT/x")},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got := make(chan string, 1)
			at := listen(t, func(conn net.Conn) {
				defer cancel() // the client need not go on
				select {
				case got <- heard(conn):
				default:
				}
			})
			_, port, _ := net.SplitHostPort(at)
			c.run(ctx, t, port)
			select {
			case said := <-got:
				if said != c.want {
					t.Errorf("it says %q, want %q", said, c.want)
				}
			case <-time.After(20 * time.Second):
				t.Error("it said nothing")
			}
		})
	}
}

func heard(conn net.Conn) string {
	var all []byte
	buf := make([]byte, 4096)
	for {
		read, err := conn.Read(buf)
		all = append(all, buf[:read]...)
		said, more := sniff.First(all, false)
		if !more || err != nil {
			return summary(said)
		}
	}
}

// command runs a program, with PORT in its arguments replaced.
func command(program string, args ...string) func(context.Context, *testing.T, string) {
	return commandWith("", program, args...)
}

// commandWith is command for a program that reads its input.
func commandWith(input, program string, args ...string) func(context.Context, *testing.T, string) {
	return func(ctx context.Context, t *testing.T, port string) {
		need(t, program)
		if _, err := strconv.Atoi(port); err != nil {
			t.Fatal(err)
		}
		filled := make([]string, len(args))
		for i, arg := range args {
			filled[i] = strings.ReplaceAll(arg, "PORT", port)
		}
		cmd := exec.CommandContext(ctx, program, filled...)
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(input, "PORT", port))
		_ = cmd.Run() // what it makes of no answer is no matter
	}
}
