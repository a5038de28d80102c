package oci_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// TestStack: files below and in layers are merged in the order of their paths, whatever
// their order in the layers, and however far that jumps.
func TestStack(t *testing.T) {
	s := newSetup(t)
	big := func(c string) string { return strings.Repeat(c, 20<<20) }
	below, above := makeTar(t, "z", big("z"), "a", big("a"), "gone", "x"), makeTar(t, ".wh.gone", "", "y", "from above")
	ref := newServer(t).push(t, "big:1", makeImage(t, "amd64", makeLayer(t, below, gzipped(t, below))))
	file := filepath.Join(t.TempDir(), "layer")
	sum := func(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
	own := image.Layer{Digest: sum(gzipped(t, above)), DiffID: sum(above), Bytes: int64(len(gzipped(t, above)))}
	unpack := func(layer []byte) (all []byte, err error) {
		t.Helper()
		if err := os.WriteFile(file, layer, 0o600); err != nil {
			t.Fatal(err)
		}
		base, err := s.Open(t.Context(), ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		over, err := s.Over(base, []image.LayerFile{{Layer: own, Path: file}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = over.Close() }()
		err = over.Unpack(t.Context(), &progress{}, func(r io.Reader) (err error) {
			all, err = io.ReadAll(r)
			return err
		})
		if got := over.Info().Digest; err == nil && got != sum(all) {
			t.Errorf("the digest %s is not that of the merged tar", got)
		}
		return all, err
	}
	all, err := unpack(gzipped(t, above))
	if err != nil {
		t.Fatal(err)
	}
	files, err := readFiles(bytes.NewReader(all))
	if err != nil || len(files) != 3 || files["a"] != big("a") || files["z"] != big("z") || files["y"] != "from above" {
		t.Errorf("%d files, %v", len(files), err)
	}
	if _, err := unpack([]byte("damaged")); !errors.Is(err, fault.Invalid) {
		t.Errorf("a damaged layer: %v", err)
	}
}
