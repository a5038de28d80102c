package vmm

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// apparmorParser is the parser of profiles, by apparmor_parser(8): it loads nothing here.
func apparmorParser(t *testing.T) (path string, knowsUserns bool) {
	t.Helper()
	var err error
	for _, name := range []string{"apparmor_parser", "/usr/sbin/apparmor_parser"} {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		t.Skip("apparmor_parser is not installed: apt-get install apparmor")
	}
	version, err := exec.CommandContext(t.Context(), path, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return path, !regexp.MustCompile(`version [0-3]\.`).Match(version)
}

func parses(t *testing.T, parser, profile string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "banger")
	if err := os.WriteFile(path, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), parser, "-Q", "-K", path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheAppArmorProfileIsValid(t *testing.T) {
	data, err := os.ReadFile("../../packaging/apparmor/banger")
	if err != nil {
		t.Fatal(err)
	}
	profile := string(data)
	for _, line := range []string{"abi <abi/4.0>,\n", "  userns,\n"} {
		if !strings.Contains(profile, line) {
			t.Errorf("the profile has no %q, without which it allows no namespaces", line)
		}
	}
	parser, knowsUserns := apparmorParser(t)
	t.Run("whole", func(t *testing.T) {
		if !knowsUserns {
			t.Skip("apparmor_parser is older than 4.0, which userns needs")
		}
		parses(t, parser, profile)
	})
	t.Run("without what older parsers do not know", func(t *testing.T) {
		parses(t, parser, strings.NewReplacer("abi <abi/4.0>,", "abi <abi/3.0>,", "  userns,\n", "").Replace(profile))
	})
}
