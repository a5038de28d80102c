package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// isInvalid holds an error to what is told of bytes that cannot be used.
func isInvalid(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.NotFound) {
		t.Fatalf("error %v (%s) is no fault Invalid", err, fault.CodeOf(err))
	}
}

func FuzzDecompress(f *testing.F) {
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 1, 0, 0})
	f.Add([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9})
	f.Add([]byte("plain"))
	f.Fuzz(func(t *testing.T, in []byte) {
		plain, _, err := decompress(bytes.NewReader(in))
		if err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, plain, 16<<20); err == nil && len(in) < 1<<10 {
			t.Fatalf("%d bytes made 16 MiB", len(in))
		}
		_ = plain.Close() // it says again how reading ended
	})
}

// documents are an origin that answers each question with the next text.
type documents struct{ texts []string }

func (d *documents) next() ([]byte, error) {
	if len(d.texts) == 0 {
		return nil, fault.New(fault.NotFound, "no more documents")
	}
	text := d.texts[0]
	d.texts = d.texts[1:]
	return []byte(text), nil
}

func (d *documents) manifest(context.Context, v1.Descriptor) ([]byte, error) { return d.next() }

func (d *documents) blob(context.Context, v1.Descriptor) (io.ReadCloser, error) {
	data, err := d.next()
	return io.NopCloser(bytes.NewReader(data)), err
}

func (d *documents) local(v1.Descriptor) io.ReaderAt { return nil }
func (d *documents) remote() bool                    { return false }

// withDigests replaces the words that stand for a text's digest and size, so that
// what is fuzzed is not only the check of these.
func withDigests(text, next string) string {
	size, err := json.Marshal(len(next))
	if err != nil {
		return text
	}
	return strings.NewReplacer("DIGEST", digestOf([]byte(next)), `"SIZE"`, string(size)).Replace(text)
}

func FuzzManifests(f *testing.F) {
	const config = `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Env":["A=1"]}}`
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"DIGEST","size":"SIZE"},"layers":[]}`
	const index = `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":"SIZE","platform":{"architecture":"amd64","os":"linux","variant":"v2"}}]}`
	f.Add(index, manifest, config)
	f.Add(strings.ReplaceAll(index, `,"platform":{"architecture":"amd64","os":"linux","variant":"v2"}`, ""), manifest, config)
	f.Add(manifest, config, "")
	f.Add(`{"manifests":[]}`, "", "")
	f.Fuzz(func(t *testing.T, first, second, third string) {
		second = withDigests(second, third)
		first = withDigests(first, second)
		c := NewClient("/nonexistent", Options{Architecture: "amd64", CPULevel: 3})
		out, err := c.fromManifest(t.Context(), []byte(first), "", c.host, &documents{[]string{second, third, third}})
		isInvalid(t, err)
		if err == nil && (out.info.Architecture != "amd64" || len(out.layers) > maxLayers) {
			t.Fatalf("%+v with %d layers", out.info, len(out.layers))
		}
	})
}

// memoryStore is a layout's files.
type memoryStore map[string]string

func (m memoryStore) section(name string) (*io.SectionReader, error) {
	text, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NewSectionReader(strings.NewReader(text), 0, int64(len(text))), nil
}

func (m memoryStore) Close() error { return nil }

func FuzzLayoutIndex(f *testing.F) {
	f.Add(`{"manifests":[{"digest":"sha256:`+strings.Repeat("0", 64)+`","size":2,"annotations":{"org.opencontainers.image.ref.name":"1.0"}}]}`, "1.0")
	f.Add(`{"manifests":[{"annotations":{"io.containerd.image.name":"docker.io/library/a:1.0"}},{"annotations":{"io.containerd.image.name":"docker.io/library/b:1.0"}}]}`, "b:1.0")
	f.Add(`{}`, "")
	f.Fuzz(func(t *testing.T, index, tag string) {
		c := NewClient("/nonexistent", Options{Architecture: "amd64"})
		_, err := c.readLayout(t.Context(), image.Ref{Kind: image.Layout, Path: "/x", Tag: tag}, memoryStore{"index.json": index})
		isInvalid(t, err)
	})
}

// FuzzDockerArchive makes the tar itself. As bytes it has some KiB, and the fuzzer
// would spend its time on making those smaller, by each pair of places in them.
func FuzzDockerArchive(f *testing.F) {
	const config = `{"architecture":"amd64","rootfs":{"diff_ids":["sha256:` +
		`0000000000000000000000000000000000000000000000000000000000000000"]}}`
	f.Add(`[{"Config":"c","RepoTags":["a:1"],"Layers":["l"]}]`, config, "l", "c", "a:1")
	f.Add(`[{"Config":"c","Layers":["k"]}]`, config, "k", "../c", "")
	f.Add(`[{"Config":"c"},{"Config":"../../etc/passwd"}]`, config, "./l/../k", "/", "")
	f.Fuzz(func(t *testing.T, manifest, config, name, target, tag string) {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for _, m := range []struct {
			tar.Header
			text string
		}{
			{tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json"}, manifest},
			{tar.Header{Typeflag: tar.TypeReg, Name: "c"}, config},
			{tar.Header{Typeflag: tar.TypeReg, Name: name}, "x"},
			{tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: target}, ""},
			{tar.Header{Typeflag: tar.TypeLink, Name: "k", Linkname: name}, ""},
		} {
			m.Size = int64(len(m.text))
			if tw.WriteHeader(&m.Header) != nil {
				continue // no tar has such a name
			}
			if _, err := io.WriteString(tw, m.text); err != nil {
				t.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		a, err := readArchive(t.Context(), bytes.NewReader(b.Bytes()), "x")
		if err != nil {
			t.Fatal(err)
		}
		c := NewClient("/nonexistent", Options{Architecture: "amd64"})
		out, err := c.fromDockerArchive(a, image.Ref{Kind: image.DockerArchive, Path: "/x", Tag: tag})
		isInvalid(t, err)
		if err == nil && len(out.layers) > maxLayers {
			t.Fatalf("%d layers", len(out.layers))
		}
	})
}

// FuzzArchive has headers of tars, and finds what is read of them.
func FuzzArchive(f *testing.F) {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../c"}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes()[:300])
	f.Fuzz(func(t *testing.T, header []byte) {
		a, err := readArchive(t.Context(), bytes.NewReader(withChecksum(header)), "x")
		isInvalid(t, err)
		if err != nil {
			return
		}
		for name := range a.members {
			if strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") {
				t.Fatalf("a member %q", name)
			}
		}
	})
}

// withChecksum is a tar of one header whose checksum is right.
func withChecksum(header []byte) []byte {
	block := make([]byte, 512)
	copy(block, header)
	copy(block[148:156], "        ")
	sum := 0
	for _, c := range block {
		sum += int(c)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00", sum))
	return block
}

func FuzzHelperAnswer(f *testing.F) {
	f.Add([]byte(`{"Username":"u","Secret":"s"}`))
	f.Add([]byte(`{"Username":"<token>","Secret":"s"}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if login, err := parseHelperAnswer("x", answer); err != nil && login != nil {
			t.Fatalf("a login and the error %v", err)
		}
	})
}

// TestLongNamesInArchivesAreNotKept: each of 100,000 members could have a name of
// a MiB.
func TestLongNamesInArchivesAreNotKept(t *testing.T) {
	long := strings.Repeat("n", 1000<<10)
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, hdr := range []*tar.Header{
		{Typeflag: tar.TypeReg, Name: long}, {Typeflag: tar.TypeSymlink, Name: "l", Linkname: long}, {Typeflag: tar.TypeReg, Name: "a"},
	} {
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := readArchive(t.Context(), bytes.NewReader(b.Bytes()), "x")
	if err != nil || len(a.members) != 1 || len(a.aliases) != 0 {
		t.Errorf("%d members and %d links, error %v; want only a", len(a.members), len(a.aliases), err)
	}
}
