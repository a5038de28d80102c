//go:build e2e

package images

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/pace"
)

const (
	user     = "banger"
	password = "s3cret"
)

// registry is docker-registry on loopback, with TLS and a login.
type registry struct {
	host string
	dir  string // ca.crt, the certificate that vouches for it
}

// settings of docker-registry, with its directory, its address and its directory again.
const settings = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %[1]s/data}, delete: {enabled: true}}
validation: {manifests: {urls: {allow: ["^https://foreign[.]example/", "^https://127[.]0[.]0[.]1:"]}}}
http:
  addr: %[2]s
  tls: {certificate: %[1]s/ca.crt, key: %[1]s/key.pem}
auth: {htpasswd: {realm: banger, path: %[1]s/htpasswd}}
`

func startRegistry(t *testing.T) *registry {
	t.Helper()
	need(t, "docker-registry", "skopeo", "umoci", "e2fsck")
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "htpasswd"), fmt.Appendf(nil, "%s:%s\n", user, hash), 0o600))
	writeCertificate(t, dir)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	r := &registry{host: l.Addr().String(), dir: dir}
	check(t, l.Close())
	conf := filepath.Join(dir, "config.yml")
	check(t, os.WriteFile(conf, fmt.Appendf(nil, settings, dir, r.host), 0o600))
	var log bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "docker-registry", "serve", conf)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, cmd.Start())
	ctx, ended := context.WithTimeout(t.Context(), patience/6)
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // it is killed
		ended()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("docker-registry said:\n%s", &log)
		}
	})
	r.await(ctx, t)
	r.login(t)
	return r
}

// writeCertificate makes a certificate for loopback that vouches for itself.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "banger's test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	made, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	check(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	check(t, err)
	for name, block := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: made}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
}

// await waits until it asks for a login.
func (r *registry) await(ctx context.Context, t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(r.ca())
	check(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	via := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer via.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+r.host+"/v2/", http.NoBody)
		check(t, err)
		resp, err := via.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Fatalf("without a login docker-registry answers %s", resp.Status)
			}
			return
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
		check(t, pace.Pause(ctx, 20*time.Millisecond))
	}
}

// login keeps one as podman does, for banger and for skopeo.
func (r *registry) login(t *testing.T) {
	t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	file := filepath.Join(r.dir, "auth.json")
	check(t, os.WriteFile(file, fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, r.host, auth), 0o600))
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("REGISTRY_AUTH_FILE", file)
}

func (r *registry) ca() string { return filepath.Join(r.dir, "ca.crt") }

// access is the registry as config.toml would have it.
func (r *registry) access(context.Context) image.Registries {
	return image.Registries{r.host: {CAFile: r.ca()}}
}

// manifest is as it was pushed.
func (r *registry) manifest(t *testing.T, ref string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "skopeo", "inspect", "--raw", "--cert-dir", r.dir, "docker://"+ref).Output()
	check(t, err)
	return string(out)
}

// push copies from, by skopeo with these options, and returns the reference.
func (r *registry) push(t *testing.T, from, name string, options ...string) string {
	t.Helper()
	args := append([]string{"copy", "-q", "--dest-cert-dir", r.dir}, options...)
	run(t, "skopeo", append(args, from, "docker://"+r.host+"/"+name)...)
	return r.host + "/" + name
}
