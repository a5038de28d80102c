package vmm_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bangervm/banger/internal/vmm"
)

// TestNobodyChangesASavedFile has every way to change it refused, also by a new
// descriptor that may write.
func TestNobodyChangesASavedFile(t *testing.T) {
	f, err := vmm.NewMemoryFile("test", 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt([]byte("before"), 0); err != nil {
		t.Fatal(err)
	}
	if err := vmm.Seal(f); err != nil {
		t.Fatal(err)
	}
	again, err := os.OpenFile(filepath.Join("/proc/self/fd", strconv.Itoa(int(f.Fd()))), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if _, err := again.WriteAt([]byte("x"), 0); err == nil {
		t.Error("it can be written")
	}
	for _, size := range []int64{0, 8192} {
		if err := again.Truncate(size); err == nil {
			t.Errorf("it can be cut to %d bytes", size)
		}
	}
}
