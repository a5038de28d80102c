package sniff_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func goTLS(t *testing.T, dir string, variants []variant) server {
	t.Helper()
	certificates := map[string]*tls.Certificate{}
	for _, name := range []string{"plain", "evil"} {
		made, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		certificates[name] = &made
	}
	config := &tls.Config{MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS10, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { //nolint:gosec // as clients may want it
		if strings.EqualFold(strings.TrimSuffix(h.ServerName, "."), evil) {
			return certificates["evil"], nil
		}
		return certificates["plain"], nil
	}}
	at := listen(t, func(conn net.Conn) { _ = tls.Server(conn, config).HandshakeContext(t.Context()) })
	return server{"tcp", at, variants, 50} // it takes records of most versions
}

func goHTTP(t *testing.T, variants []variant) server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "SERVED:%s %s\n", r.Host, r.URL.Host)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = web.Serve(l)
	}()
	t.Cleanup(func() {
		_ = web.Close()
		<-done
	})
	return server{"tcp", l.Addr().String(), variants, 20}
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			tasks.Go(func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		tasks.Wait()
	})
	return l.Addr().String()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// need skips the test when a program is not there.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is required: %v", program, err)
		}
		t.Skipf("%s is not here", program)
	}
}

// run starts a server and waits until it listens at an address, or prints a line if
// there is none.
func run(t *testing.T, dir, at, program string, args ...string) {
	t.Helper()
	need(t, program)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	input, err := cmd.StdinPipe() // its end ends some of them
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r := bufio.NewReader(output)
		line, _ := r.ReadString('\n')
		read <- line
		_, _ = io.Copy(io.Discard, r)
	}()
	t.Cleanup(func() {
		_ = input.Close()
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %.2000s", program, complaints.String())
		}
	})
	if at == "" {
		if line := <-read; line != "ready\n" {
			t.Fatalf("%s printed %q", program, line)
		}
		return
	}
	network := "tcp"
	if filepath.IsAbs(at) {
		network = "unix"
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.Dial(network, at) //nolint:noctx // at once
		if err == nil {
			_ = conn.Close()
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", program)
}

func writeCertificate(t *testing.T, dir, file, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})...)
	if err := os.WriteFile(filepath.Join(dir, file+".pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
