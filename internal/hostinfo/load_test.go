package hostinfo

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// proc is a directory with files as those of /proc.
func proc(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := proc(t, map[string]string{
		"stat":    "cpu  100 20 30 4000 500 6 7 800 90 10\ncpu0 50 10 15 2000 250 3 3 400 45 5\ncpu1 50 10 15 2000 250 3 4 400 45 5\nintr 1\n",
		"meminfo": "MemTotal:  2048 kB\nMemFree: 100 kB\nMemAvailable:  1024 kB\n",
		"net/dev": "Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n" +
			"    lo:  9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  eth0:1000 0 0 0 0 0 0 0 200 0 0 0 0 0 0 0\n  br0: 5000 0 0 0 0 0 0 0 5000 0 0 0 0 0 0 0\n wlan0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n",
		"net/route": "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n" +
			"eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\nbr0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n",
		"net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000000000000000 00 00 00 00 wlan0\n" +
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00 ffffffff 00 00 00200200 lo\n",
	})
	got, err := loadOf(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.DiskBytes <= 0 || got.DiskAvailable < 0 || got.DiskAvailable > got.DiskBytes {
		t.Errorf("a disk of %d with %d", got.DiskBytes, got.DiskAvailable)
	}
	got.DiskBytes, got.DiskAvailable = 0, 0
	want := Load{CPUs: 2, CPU: 1630 * time.Millisecond, MemoryBytes: 2 << 20, MemoryAvailable: 1 << 20, NetInBytes: 1001, NetOutBytes: 202}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatCannotBeMeasuredIsNothing(t *testing.T) {
	for _, stat := range []string{"", "cpu  1 2 3\n", "cpu  1 2 3 4 5 6 -7 8\ncpu0 1 2 3 4 5 6 7 8\n", "cpu  x 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n"} {
		dir := proc(t, map[string]string{"stat": stat, "meminfo": "MemTotal: 4 kB\n"})
		got, err := loadOf(dir, dir)
		if err == nil || got.CPU != 0 || got.CPUs != 0 || got.MemoryBytes != 4<<10 {
			t.Errorf("%q: %+v, %v", stat, got, err)
		}
	}
}

func TestThisHostHasALoad(t *testing.T) {
	got, err := LoadOf(t.TempDir())
	if err != nil || got.CPUs == 0 || got.CPU == 0 || got.MemoryBytes == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
