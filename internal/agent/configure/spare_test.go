package configure

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSpareIsSetAsideAndGivenUp(t *testing.T) {
	disk := t.TempDir()
	for range 2 { // again where some of it is there
		if err := setSpareAside(disk); err != nil {
			t.Fatal(err)
		}
		if all, err := os.ReadDir(filepath.Join(disk, nameSpare)); err != nil || len(all) != spares {
			t.Fatalf("%d spare directories, %v", len(all), err)
		}
		if err := os.Remove(filepath.Join(disk, nameSpare, "3")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // also where there is none
		if err := giveUpSpare(disk); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := os.ReadDir(disk); err != nil || len(all) != 0 {
		t.Errorf("left: %v, %v", all, err)
	}
}
