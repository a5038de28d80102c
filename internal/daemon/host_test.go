package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestAVersionIsAskedForOnceAProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qemu")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	asked, fail := 0, errors.New("does not run")
	var failure error
	output := rememberVersions(func(context.Context, string, ...string) (string, error) {
		asked++
		return "answer", failure
	})
	ask := func(args ...string) error {
		t.Helper()
		_, err := output(t.Context(), path, args...)
		return err
	}
	failure = fail
	if err := ask("--version"); !errors.Is(err, fail) {
		t.Errorf("the failure is %v", err)
	}
	failure = nil
	for range 3 {
		if err := ask("--version"); err != nil {
			t.Error(err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want once for the failure and once for the answer", asked)
	}
	_ = ask("-machine", "help")
	_ = ask("-machine", "help")
	if asked != 4 {
		t.Error("another question was answered from memory")
	}
	write("another")
	if err := ask("--version"); err != nil || asked != 5 {
		t.Errorf("another program was not asked: %v", err)
	}
}
