package hostinfo

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCPUIsTheModelAndNotTheMoment(t *testing.T) {
	info := "processor\t: 0\nvendor_id\t: X\nmodel name\t: X 1\nmicrocode\t: 0x1\ncpu MHz\t\t: 1000.5\nflags\t\t: a b\n\nprocessor\t: 1\nflags\t: other\n"
	of := func(text string) string {
		t.Helper()
		cpu, err := cpuOf(filepath.Join(proc(t, map[string]string{"cpuinfo": text}), "cpuinfo"))
		if err != nil {
			t.Fatal(err)
		}
		return cpu
	}
	cpu := of(info)
	if of(strings.Replace(info, "1000.5", "2000", 1)) != cpu {
		t.Error("another frequency is another model")
	}
	for _, part := range []string{"X 1", "0x1", "a b"} {
		if of(strings.Replace(info, part, "other", 1)) == cpu {
			t.Errorf("another %q is the same model", part)
		}
	}
	if _, err := cpuOf(filepath.Join(proc(t, map[string]string{"cpuinfo": "nothing"}), "cpuinfo")); err == nil {
		t.Error("a file that says nothing is a model")
	}
}
