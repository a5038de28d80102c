package ociarchive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/ociarchive"
	"github.com/bangervm/banger/internal/operation"
)

func files(w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, hdr := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "etc/motd", Mode: 0o640, Size: 5},
		{Typeflag: tar.TypeLink, Name: "etc/again", Linkname: "etc/motd"},
		{Typeflag: tar.TypeSymlink, Name: "etc/link", Linkname: "motd"},
	} {
		hdr.ModTime = time.Unix(1_700_000_000, 0)
		if err := tw.WriteHeader(&hdr); err != nil {
			return err
		}
		if hdr.Size > 0 {
			if _, err := io.WriteString(tw, "hello"); err != nil {
				return err
			}
		}
	}
	return tw.Close()
}

func layer(_ context.Context, w io.Writer) error { return files(w) }

func manifest() image.Manifest {
	return image.Manifest{
		ID: "0123456789ab", Architecture: "amd64", OS: "linux", CreatedAt: time.Unix(1_700_000_000, 5).UTC(),
		Config: image.Config{
			Env: []string{"A=1"}, Entrypoint: []string{"/entry"}, Cmd: []string{"serve"}, WorkingDir: "/srv", User: "1000:1000",
			Labels: map[string]string{"b": "2", "a": "1"}, StopSignal: "SIGQUIT", ExposedPorts: []string{"80/tcp"}, Volumes: []string{"/data"},
			HealthCheck: &image.HealthCheck{Argv: []string{"/probe", "a b"}, Interval: time.Second, Timeout: 2 * time.Second, StartPeriod: 3 * time.Second, StartInterval: 4 * time.Second, Retries: 5},
		},
	}
}

// merged is an archive of one layer.
func merged(t *testing.T, name string, layer ociarchive.Layer) *ociarchive.Archive {
	t.Helper()
	blob, err := ociarchive.Measure(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ociarchive.New(name, manifest(), nil, []ociarchive.Blob{blob})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func save(t *testing.T) []byte {
	t.Helper()
	a := merged(t, "app", layer)
	var out bytes.Buffer
	if err := a.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSameBytes(t *testing.T) {
	if !bytes.Equal(save(t), save(t)) {
		t.Error("the same image gave other bytes")
	}
}

type quiet struct{}

func (quiet) Stage(string)               {}
func (quiet) Detail(string, ...any)      {}
func (quiet) Count(int64, int64, string) {}

var _ operation.Progress = quiet{}

// TestBangerReadsIt: the files and the configuration are the same again.
func TestBangerReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.tar")
	if err := os.WriteFile(path, save(t), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := image.ParseRef("oci-archive:" + path + ":app")
	if err != nil {
		t.Fatal(err)
	}
	content, err := oci.NewClient(t.TempDir(), oci.Options{Architecture: "amd64"}).Open(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	if diff := cmp.Diff(manifest().Config, content.Info().Config); diff != "" {
		t.Error(diff)
	}
	var got []byte
	err = content.Unpack(t.Context(), quiet{}, func(r io.Reader) (err error) {
		got, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"./", "etc/", "etc/again", "etc/link", "etc/motd"}, names(t, got)); diff != "" {
		t.Error(diff)
	}
}

func names(t *testing.T, raw []byte) []string {
	t.Helper()
	all := map[string]bool{}
	for tr := tar.NewReader(bytes.NewReader(raw)); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return slices.Sorted(maps.Keys(all))
		}
		if err != nil {
			t.Fatal(err)
		}
		all[hdr.Name] = true
	}
}

// TestOthersReadIt: skopeo copies it, and umoci unpacks the same files.
func TestOthersReadIt(t *testing.T) {
	for _, name := range []string{"skopeo", "umoci"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is missing", name)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "app.tar")
	if err := os.WriteFile(path, save(t), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("skopeo", "--insecure-policy", "copy", "oci-archive:app.tar:app", "oci:layout:app")
	var seen struct{ Config map[string]any }
	if err := json.Unmarshal([]byte(run("skopeo", "inspect", "--config", "oci:layout:app")), &seen); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"User": "1000:1000", "Env": []any{"A=1"}, "Entrypoint": []any{"/entry"}, "Cmd": []any{"serve"}, "WorkingDir": "/srv",
		"Labels": map[string]any{"a": "1", "b": "2"}, "StopSignal": "SIGQUIT", "ExposedPorts": map[string]any{"80/tcp": map[string]any{}},
		"Volumes": map[string]any{"/data": map[string]any{}},
	}
	if diff := cmp.Diff(want, seen.Config); diff != "" {
		t.Error(diff)
	}
	run("umoci", "unpack", "--rootless", "--image", "layout:app", "bundle")
	motd, err := os.ReadFile(filepath.Join(dir, "bundle/rootfs/etc/again"))
	if err != nil || string(motd) != "hello" {
		t.Errorf("etc/again is %q, %v", motd, err)
	}
	info, err := os.Stat(filepath.Join(dir, "bundle/rootfs/etc/motd"))
	if err != nil || info.Mode() != 0o640 || !info.ModTime().Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("etc/motd is %v, %v", info, err)
	}
}

// TestChangedLayer: what is not what was described is no archive.
func TestChangedLayer(t *testing.T) {
	reads := 0
	a := merged(t, "", func(_ context.Context, w io.Writer) error {
		reads++
		_, err := io.WriteString(w, strings.Repeat(string(rune('0'+reads)), 4))
		return err
	})
	if err := a.Write(t.Context(), io.Discard); !errors.Is(err, fault.Conflict) {
		t.Errorf("%v, want a Conflict", err)
	}
}
