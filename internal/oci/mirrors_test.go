package oci_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
)

// mirrored is a registry, a mirror of it below hub/, and a client that knows of it.
type mirrored struct {
	setup
	registry, mirror *server
	ref              image.Ref // in both
	layer            string    // its digest
	log              *bytes.Buffer
}

func newMirrored(t *testing.T) mirrored {
	t.Helper()
	m := mirrored{registry: newServer(t), mirror: newServer(t), log: &bytes.Buffer{}}
	raw := makeTar(t, "a", noise(300_000))
	l := makeLayer(t, raw, gzipped(t, raw))
	img := makeImage(t, "amd64", l)
	m.mirror.push(t, "hub/team/app:1", img)
	m.ref, m.layer = m.registry.push(t, "team/app:1", img), digestOf(t, l)
	known := image.Registries{m.registry.host: {Mirrors: []image.Mirror{{Host: m.mirror.host, Path: "hub"}}}}
	dir := t.TempDir()
	m.setup = setup{oci.NewClient(dir, oci.Options{
		Transport: transport(t), Architecture: "amd64", Log: slog.New(slog.NewTextHandler(m.log, nil)),
		Registries: func(context.Context) image.Registries { return known },
	}), dir}
	return m
}

// tampered calls change for the answers to GET whose path ends so.
func tampered(end string, answer func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.HasSuffix(r.URL.Path, end) {
			return false
		}
		answer(w)
		return true
	}
}

func refuse(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }

func TestAMirrorSparesTheRegistry(t *testing.T) {
	m := newMirrored(t)
	m.registry.setTamper(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		t.Error("the registry itself was asked")
		refuse(w)
		return true
	})
	files, _, err := m.pull(t.Context(), m.ref, nil)
	if err != nil || files["a"] != noise(300_000) {
		t.Errorf("%d files, error %v", len(files), err)
	}
	if m.log.Len() > 0 {
		t.Errorf("logged: %s", m.log)
	}
}

// TestTheRegistryHasWhatItsMirrorLacks, whatever that does wrong, and the log says
// what that was.
func TestTheRegistryHasWhatItsMirrorLacks(t *testing.T) {
	flip := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	tests := []struct {
		name string
		said string
		do   func(m mirrored) func(http.ResponseWriter, *http.Request, http.Handler) bool
	}{
		{"it is in trouble", "has an internal problem", func(mirrored) func(http.ResponseWriter, *http.Request, http.Handler) bool {
			return tampered("", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) })
		}},
		{"it wants a login", "does not show", func(mirrored) func(http.ResponseWriter, *http.Request, http.Handler) bool {
			return tampered("", refuse)
		}},
		{"no such image", "no image", func(mirrored) func(http.ResponseWriter, *http.Request, http.Handler) bool {
			return tampered("/manifests/1", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) })
		}},
		{"no such layer", "no image", func(m mirrored) func(http.ResponseWriter, *http.Request, http.Handler) bool {
			return tampered(m.layer, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) })
		}},
		{"a layer that is damaged", "wrong digest", func(m mirrored) func(http.ResponseWriter, *http.Request, http.Handler) bool {
			return wrongAnswer(m.layer, flip)
		}},
		{"a layer that is too short", "layer 1 of 1", func(m mirrored) func(http.ResponseWriter, *http.Request, http.Handler) bool {
			return wrongAnswer(m.layer, func(b []byte) []byte { return b[:len(b)-7] })
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMirrored(t)
			m.mirror.setTamper(test.do(m))
			files, _, err := m.pull(t.Context(), m.ref, nil)
			if err != nil || files["a"] != noise(300_000) {
				t.Errorf("%d files, error %v", len(files), err)
			}
			if !strings.Contains(m.log.String(), m.mirror.host) || !strings.Contains(m.log.String(), test.said) {
				t.Errorf("logged: %s; want the mirror and %q", m.log, test.said)
			}
			if blobs, others := m.leftovers(t); !slices.Contains(blobs, m.layer) || len(blobs) != 3 || len(others) != 0 {
				t.Errorf("the cache has %v and %v", blobs, others)
			}
		})
	}
}

func TestNeitherMirrorNorRegistry(t *testing.T) {
	m := newMirrored(t)
	m.mirror.setTamper(tampered("", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }))
	m.registry.setTamper(tampered("", refuse))
	_, _, err := m.pull(t.Context(), m.ref, nil)
	if !errors.Is(err, fault.PermissionDenied) || !strings.Contains(err.Error(), "mirror "+m.mirror.host) {
		t.Errorf("error %v; want the registry's, with what the mirror did", err)
	}
}

func TestADigestBindsTheMirrorToo(t *testing.T) {
	m := newMirrored(t)
	raw := makeTar(t, "evil", "x")
	m.mirror.push(t, "hub/team/app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	content, err := newSetup(t).Open(t.Context(), m.ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	digest := content.Info().Digest
	if err := content.Close(); err != nil {
		t.Fatal(err)
	}
	m.mirror.setTamper(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		r.URL.Path = strings.Replace(r.URL.Path, digest, "1", 1) // another image under the digest
		return false
	})
	files, _, err := m.pull(t.Context(), mustRef(t, m.registry.host+"/team/app@"+digest), nil)
	if err != nil || files["a"] == "" || files["evil"] != "" {
		t.Errorf("files %d, error %v", len(files), err)
	}
}

// tlsServer is a registry whose certificate only ca.pem vouches for.
func tlsServer(t *testing.T) (*server, string) {
	t.Helper()
	s := newServer(t)
	behind := s.host
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+behind+r.URL.Path, http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := transport(t).RoundTrip(proxied)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		_, _ = w.Write(body.Bytes())
	}))
	ts.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	ts.StartTLS()
	t.Cleanup(ts.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw})
	if err := os.WriteFile(ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	raw := makeTar(t, "a", "one")
	s.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	s.host = strings.TrimPrefix(ts.URL, "https://")
	return s, ca
}

func TestCertificates(t *testing.T) {
	s, ca := tlsServer(t)
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		access        image.Access
		problem, hint string
	}{
		"nobody vouches":   {image.Access{}, "certificate of the registry " + s.host, "ca_file under"},
		"its CA":           {image.Access{CAFile: ca}, "", ""},
		"insecure":         {image.Access{Insecure: true}, "", ""},
		"a CA that is not": {image.Access{CAFile: junk}, junk + " has no certificate", "PEM"},
		"a missing file":   {image.Access{CAFile: junk + "x"}, "no such file: " + junk + "x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := setup{oci.NewClient(t.TempDir(), oci.Options{
				Architecture: "amd64", Registries: func(context.Context) image.Registries { return image.Registries{s.host: test.access} },
			}), ""}
			_, _, err := c.pull(t.Context(), mustRef(t, s.host+"/app:1"), nil)
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) ||
				!strings.Contains(fault.HintOf(err).String(), test.hint) {
				t.Errorf("error %v (hint %q); want %q, %q", err, fault.HintOf(err).String(), test.problem, test.hint)
			}
		})
	}
}

// TestPlainHTTPOnlyWhereNamed: registry.example speaks no HTTPS.
func TestPlainHTTPOnlyWhereNamed(t *testing.T) {
	s := newServer(t)
	raw := makeTar(t, "a", "one")
	s.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	via := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.host)
	}}
	t.Cleanup(via.CloseIdleConnections)
	mirror := func(m image.Mirror) image.Registries {
		return image.Registries{"elsewhere.example": {Mirrors: []image.Mirror{m}}}
	}
	for name, test := range map[string]struct {
		known image.Registries
		ref   string
		works bool
	}{
		"not named":          {nil, "registry.example/app:1", false},
		"another is":         {image.Registries{"other.example": {Insecure: true}}, "registry.example/app:1", false},
		"insecure":           {image.Registries{"registry.example": {Insecure: true}}, "registry.example/app:1", true},
		"a mirror by http":   {mirror(image.Mirror{Host: "registry.example", PlainHTTP: true}), "elsewhere.example/app:1", true},
		"a mirror without":   {mirror(image.Mirror{Host: "registry.example"}), "elsewhere.example/app:1", false},
		"an insecure mirror": {image.Registries{"registry.example": {Insecure: true}, "elsewhere.example": {Mirrors: []image.Mirror{{Host: "registry.example"}}}}, "elsewhere.example/app:1", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := setup{oci.NewClient(t.TempDir(), oci.Options{
				Architecture: "amd64", Transport: via, Registries: func(context.Context) image.Registries { return test.known },
			}), ""}
			files, _, err := c.pull(t.Context(), mustRef(t, test.ref), nil)
			if (err == nil) != test.works || test.works && files["a"] != "one" {
				t.Errorf("files %v, error %v; want it to work: %v", files, err, test.works)
			}
		})
	}
}
