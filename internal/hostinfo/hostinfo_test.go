package hostinfo

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFacts(t *testing.T) {
	facts, err := Facts(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if facts.CPUs < 1 || facts.MemoryBytes < 64<<20 || facts.DiskBytes < 1<<20 || len(facts.BootID) != 36 || facts.Architecture == "" {
		t.Errorf("%+v", facts)
	}
	if _, err := Facts(t.Context(), "/no/such/directory"); err == nil {
		t.Error("no error for a directory that is not there")
	}
}

func TestTotalMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meminfo")
	for text, want := range map[string]int64{
		"MemTotal:       2048 kB\nMemFree: 1 kB\n": 2048 << 10,
		"MemFree: 1 kB\n":                          0,
		"MemTotal: many kB\n":                      0,
		"MemTotal: 5\n":                            0,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := totalMemory(path); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestRSSAndDiskUsage(t *testing.T) {
	if rss := RSS(); rss < 1<<20 {
		t.Errorf("RSS %d", rss)
	}
	path := filepath.Join(t.TempDir(), "f")
	if DiskUsage(path) != 0 {
		t.Error("a file that is not there takes space")
	}
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	if used := DiskUsage(path); used > 2<<20 {
		t.Errorf("a sparse file takes %d", used)
	}
}
