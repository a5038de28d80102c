package hostinfo

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDistribution(t *testing.T) {
	path := filepath.Join(t.TempDir(), "os-release")
	for text, want := range map[string][2]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n": {"debian", "12"},
		"ID='void'\n# VERSION_ID=1\n": {"void", ""},
		"":                            {"", ""},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, release := distribution("/nonexistent", path); [2]string{id, release} != want {
			t.Errorf("%q: %q %q, want %q", text, id, release, want)
		}
	}
}
