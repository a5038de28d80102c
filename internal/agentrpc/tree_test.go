package agentrpc_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestTreeComesBack(t *testing.T) {
	var b bytes.Buffer
	w := agentrpc.NewTreeWriter(&b)
	at := time.Unix(1700000000, 123456789)
	entries := []agentrpc.TreeEntry{
		{Kind: agentrpc.TreeDir, Path: "d", Mode: 0o755},
		{Kind: agentrpc.TreeFile, Path: "d/caf\xe9", Mode: 0o600, ModTime: at, Size: 4},
		{Kind: agentrpc.TreeLink, Path: "l", Size: 1},
		{Kind: agentrpc.TreeListed, Path: "x", Mode: 0o100755, Size: 99, OID: strings.Repeat("\x01", 20)},
	}
	texts := []string{"", "data", "d", ""}
	for i, e := range entries {
		if err := w.Text(agentrpc.TreeEntry{Kind: e.Kind, Path: e.Path, Mode: e.Mode, ModTime: e.ModTime, OID: e.OID}, texts[i]); e.Kind != agentrpc.TreeListed && err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	r := agentrpc.NewTreeReader(bufio.NewReader(&b))
	for i, want := range entries[:3] {
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got.Path != want.Path || got.Mode != want.Mode || !got.ModTime.Equal(want.ModTime) {
			t.Errorf("entry %d = %+v, want %+v", i, got, want)
		}
		if i == 1 {
			continue // what is not read is skipped
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != texts[i] {
			t.Errorf("data = %q, %v; want %q", text, err, texts[i])
		}
	}
}

func TestTreeEnds(t *testing.T) {
	var b bytes.Buffer
	w := agentrpc.NewTreeWriter(&b)
	if err := w.Fail("no more"); err != nil {
		t.Fatal(err)
	}
	_, err := agentrpc.NewTreeReader(bufio.NewReader(&b)).Next()
	if failure, ok := errors.AsType[*agentrpc.TreeFailure](err); !ok || failure.Message != "no more" {
		t.Errorf("a void tree = %v", err)
	}
	for _, path := range []string{"", "/a", "..", "../a", "a/../b", "a//b", "a/", "./a", "a\x00b"} {
		b.Reset()
		w := agentrpc.NewTreeWriter(&b)
		if err := errors.Join(w.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: path}, "x"), w.End()); err != nil {
			t.Fatal(err)
		}
		if e, err := agentrpc.NewTreeReader(bufio.NewReader(&b)).Next(); !errors.Is(err, agentrpc.ErrTree) {
			t.Errorf("path %q = %+v, %v; want ErrTree", path, e, err)
		}
	}
}

func FuzzTree(f *testing.F) {
	var b bytes.Buffer
	w := agentrpc.NewTreeWriter(&b)
	_ = w.Text(agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: "a/b", Mode: 0o644, ModTime: time.Unix(1, 0)}, "data")
	_ = w.End()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		r := agentrpc.NewTreeReader(bufio.NewReader(bytes.NewReader(data)))
		for {
			e, err := r.Next()
			if err != nil {
				return
			}
			if strings.HasPrefix(e.Path, "/") || strings.Contains("/"+e.Path+"/", "/../") {
				t.Fatalf("the path %q leaves the tree", e.Path)
			}
		}
	})
}

func FuzzChunks(f *testing.F) {
	var b bytes.Buffer
	_ = agentrpc.WriteChunk(&b, []byte("x"))
	_ = agentrpc.FailChunks(&b, "no")
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := io.ReadAll(&agentrpc.ChunkReader{R: bytes.NewReader(data)})
		if len(got) > len(data) || err == nil && len(got)+8 > len(data)+4 {
			t.Fatalf("%d bytes of %d, %v", len(got), len(data), err)
		}
	})
}
