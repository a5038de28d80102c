package procstat

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	goodStat  = "4711 (a) b (c) S 1 4711 4711 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 100 1000000 500 0\n"
	goodStatm = "25000 3000 1000 10 0 5000 0\n"
	goodIO    = "rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n"
)

func files(t *testing.T, stat, statm, io string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"stat": stat, "statm": statm, "io": io} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFilesOfAProcess(t *testing.T) {
	got, err := read(files(t, goodStat, goodStatm, goodIO))
	want := Usage{
		CPU: 3 * time.Second, ResidentBytes: 3000 * int64(os.Getpagesize()),
		DiskReadBytes: 4096, DiskWriteBytes: 8192,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestWhatCannotBeReadIsNothing(t *testing.T) {
	for name, dir := range map[string]string{
		"no io":         files(t, goodStat, goodStatm, ""),
		"short io":      files(t, goodStat, goodStatm, "read_bytes: 1\n"),
		"negative io":   files(t, goodStat, goodStatm, "read_bytes: -1\nwrite_bytes: 1\n"),
		"io of letters": files(t, goodStat, goodStatm, "read_bytes: x\nwrite_bytes: 1\n"),
	} {
		got, err := read(dir)
		if err == nil || got.DiskReadBytes != 0 || got.DiskWriteBytes != 0 || got.CPU != 3*time.Second {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	got, err := read(files(t, "4711 (x", "1", goodIO))
	if err == nil || got.CPU != 0 || got.ResidentBytes != 0 || got.DiskReadBytes != 4096 {
		t.Errorf("cut files: %+v, %v", got, err)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(goodStat))
	f.Add([]byte(goodStatm))
	f.Add([]byte(goodIO))
	f.Fuzz(func(t *testing.T, data []byte) {
		cpu, _ := cpuTime(data)
		memory, _ := resident(data, 4096)
		r, w, _ := diskBytes(data)
		if cpu < 0 || memory < 0 || r < 0 || w < 0 {
			t.Errorf("%q: %v, %d, %d, %d", data, cpu, memory, r, w)
		}
	})
}

func TestThisProcessAndItsChildren(t *testing.T) {
	got, err := Of(os.Getpid())
	if err != nil || got.ResidentBytes < 1<<20 {
		t.Errorf("this process takes %+v, %v", got, err)
	}
	if got, err := Of(1 << 30); !errors.Is(err, os.ErrNotExist) || got != (Usage{}) {
		t.Errorf("no process takes %+v, %v", got, err)
	}
	before, err := Children()
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").Run(); err != nil {
		t.Fatal(err)
	}
	after, err := Children()
	if err != nil || after.CPU <= before.CPU {
		t.Errorf("a child took nothing: %+v, then %+v, %v", before, after, err)
	}
}
