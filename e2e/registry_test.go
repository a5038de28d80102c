//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/e2e/fixture"
)

// registryLog is below $WORK.
const registryLog = "registry.log"

// startRegistry serves a registry on loopback for the rest of the script, and
// sets $REGISTRY to its host and port. The fault is one of:
//
//	none        as it should be
//	corrupt     one byte of every blob is changed
//	truncated   the second half of every blob is missing
//	slow        blobs trickle
//
// Each blob that is asked for is a line in registryLog.
func startRegistry(ts *testscript.TestScript, fault string) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	asked, err := os.OpenFile(ts.MkAbs(registryLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	ts.Defer(func() { _ = asked.Close() })
	var faulty bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if blob := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/"); !blob || !faulty {
			inner.ServeHTTP(w, r)
			return
		}
		_, _ = fmt.Fprintln(asked, r.URL.Path)
		if fault == "none" {
			inner.ServeHTTP(w, r)
			return
		}
		serveFaulty(w, r, inner, fault)
	}))
	ts.Defer(server.CloseClientConnections)
	ts.Defer(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	ts.Setenv("REGISTRY", host)
	ts.Check(fillRegistry(context.Background(), host))
	faulty = true
}

func serveFaulty(w http.ResponseWriter, r *http.Request, inner http.Handler, fault string) {
	rec := httptest.NewRecorder()
	inner.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	if len(body) < 4096 { // an image configuration: let the layers be at fault
		fault = "none"
	}
	maps.Copy(w.Header(), rec.Header()) // Content-Length too: a truncated body breaks the connection
	switch fault {
	case "corrupt":
		body = bytes.Clone(body)
		body[len(body)/2] ^= 0xff
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	case "truncated":
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body[:len(body)/2])
	case "slow":
		w.WriteHeader(rec.Code)
		trickle(r.Context(), w, body)
	default:
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	}
}

func trickle(ctx context.Context, w http.ResponseWriter, body []byte) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(body) > 0 {
		n := min(len(body), 1024)
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		body = body[n:]
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// fillRegistry pushes test/busybox:latest, of two layers of which the upper
// removes and replaces, and test/foreign:latest, for another architecture.
func fillRegistry(ctx context.Context, host string) error {
	lower, err := fixture.Busybox(ctx)
	if err != nil {
		return err
	}
	lower = append(lower, fixture.File("etc/removed", 0o644, "x"), fixture.File("etc/replaced", 0o644, "lower\n"), fixture.Hardlink("etc/kept", "etc/replaced"))
	upper := []fixture.Entry{
		fixture.Dir("etc", 0o755), fixture.File("etc/.wh.removed", 0o644, ""), fixture.File("etc/replaced", 0o644, "upper\n"),
	}
	img, err := buildImage("amd64", lower, upper)
	if err != nil {
		return err
	}
	foreign, err := buildImage("s390x", basics())
	if err != nil {
		return err
	}
	for repository, img := range map[string]v1.Image{"test/busybox": img, "test/foreign": foreign} {
		ref, err := name.ParseReference(host+"/"+repository+":latest", name.Insecure)
		if err != nil {
			return err
		}
		if err := remote.Write(ref, img, remote.WithContext(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func buildImage(arch string, layers ...[]fixture.Entry) (v1.Image, error) {
	img := empty.Image
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	config.Config = v1.Config{Env: []string{"PATH=/bin:/usr/bin", "FROM_IMAGE=yes"}, WorkingDir: "/srv"}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	for _, entries := range layers {
		var packed bytes.Buffer
		if err := fixture.Pack(&packed, entries); err != nil {
			return nil, err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
		})
		if err != nil {
			return nil, err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return nil, err
		}
	}
	return img, nil
}
