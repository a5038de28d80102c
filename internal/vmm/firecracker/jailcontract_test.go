package firecracker

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

// TestJailed is the drivers' contract with the real jailer and the fake Firecracker. The
// fake is this executable, which must be static: CGO_ENABLED=0.
func TestJailed(t *testing.T) {
	jailer := filepath.Join(filepath.Dir(needJailer(t)), "jailer")
	for _, version := range []string{"1.15.1", "1.16.1"} { // which pause in different ways
		t.Run(version, func(t *testing.T) {
			spec := fake(t, "version="+version)
			materialise(t, spec.Program)
			if err := os.Symlink(jailer, filepath.Join(filepath.Dir(spec.Program), "jailer")); err != nil {
				t.Fatal(err)
			}
			spec.JailUID = testUID
			vmmtest.Contract(t, vmmtest.Rig{
				New: func() vmm.Driver { return hurried() }, Spec: spec, Port: 7, Limit: time.Minute, Confine: []string{self(t), "confine"}, CannotSave: true,
			})
		})
	}
}

// materialise makes a file of a link: the jailer follows links, and the fake's name
// matters.
func materialise(t *testing.T, path string) {
	t.Helper()
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	head := make([]byte, 4<<10)
	if _, err := io.ReadFull(from, head); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(head, []byte(interpreter)) {
		t.Skip("this test is dynamically linked: build it with CGO_ENABLED=0")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, io.MultiReader(bytes.NewReader(head), from)); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
}
