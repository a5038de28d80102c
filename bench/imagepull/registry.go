package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// registry is a layout served by another process, so that its CPU time is nobody's
// whom we measure.
type registry struct {
	dir, host string
	cmd       *exec.Cmd
	stdin     io.Closer
}

func startRegistry(ctx context.Context, dir string) (*registry, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &registry{dir: dir, cmd: cmd, stdin: stdin}
	host, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the registry's address: %w", err), r.stop())
	}
	r.host = strings.TrimSpace(host)
	return r, nil
}

func (r *registry) stop() error { return errors.Join(r.stdin.Close(), r.cmd.Wait()) }

// image is the base, as the registry has it.
func (r *registry) image() source {
	return source{name: "registry", ref: r.ref("base"), skopeo: "docker://" + r.ref("base"), bytes: r.baseLayer}
}

func (r *registry) ref(tag string) string { return r.host + "/bench:" + tag }

// baseLayer is the path of the base's only layer.
func (r *registry) baseLayer() (string, error) {
	images, err := layout.ImageIndexFromPath(r.dir)
	if err != nil {
		return "", err
	}
	index, err := images.IndexManifest()
	if err != nil {
		return "", err
	}
	img, err := images.Image(index.Manifests[0].Digest)
	if err != nil {
		return "", err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return "", err
	}
	return blobPath(r.dir, manifest.Layers[0].Digest), nil
}

// archive is the base as docker save writes it, its layer uncompressed.
func (r *registry) archive(ctx context.Context, path string) (source, error) {
	err := command(ctx, "skopeo", "copy", "-q", "oci:"+r.dir+":base", "docker-archive:"+path+":bench:base")
	return source{
		name: "docker archive", ref: "docker-archive:" + path, skopeo: "docker-archive:" + path,
		bytes: func() (string, error) { return path, nil }, plain: true,
	}, err
}

func blobPath(dir string, digest v1.Hash) string {
	return filepath.Join(dir, "blobs", digest.Algorithm, digest.Hex)
}

// serve serves the layout dir as a registry that only gives, under any name, and
// prints its address. It ends when stdin does.
func serve(ctx context.Context, out io.Writer, dir string) error {
	images, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return err
	}
	index, err := images.IndexManifest()
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	server := &http.Server{Handler: routes(dir, index.Manifests)} //nolint:gosec // the bench's own clients are not slow
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// routes are those of the OCI distribution specification that a pull needs.
func routes(dir string, images []v1.Descriptor) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v2/{name}/manifests/{ref}", func(w http.ResponseWriter, r *http.Request) {
		for _, d := range images {
			if ref := r.PathValue("ref"); ref != d.Digest.String() && ref != d.Annotations[refName] {
				continue
			}
			w.Header().Set("Content-Type", string(d.MediaType))
			w.Header().Set("Docker-Content-Digest", d.Digest.String())
			http.ServeFile(w, r, blobPath(dir, d.Digest))
			return
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("GET /v2/{name}/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		digest, err := v1.NewHash(r.PathValue("digest"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, blobPath(dir, digest))
	})
	return mux
}
