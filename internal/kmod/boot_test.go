package kmod

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestBootModulesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int64{"a.ko": maxBoot, "b.ko": 1} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
			t.Fatal(err)
		}
	}
	tr := tree{dir: dir}
	if _, err := tr.copyTo(t.TempDir(), []string{"b.ko", "a.ko"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("copied: %v", err)
	}
	if names, err := tr.copyTo(t.TempDir(), []string{"b.ko"}); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}
