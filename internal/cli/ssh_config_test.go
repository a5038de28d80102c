package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/statedir"
)

// OpenSSH itself says what it reads in the configuration, also where paths have
// what it or a shell would take for its own.
func TestOpenSSHReadsTheConfig(t *testing.T) {
	ssh, err := exec.LookPath("/usr/bin/ssh") // in PATH is the stand-in
	if err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal("ssh is not installed")
		}
		t.Skip("ssh is not installed")
	}
	for _, name := range []string{"plain", "with space", `it's "quoted"`, "100%h", `[a]*b?c\d`, "$HOME;x", "#x"} {
		t.Run(name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), name)
			dirs := statedir.Dirs{State: filepath.Join(home, "state")}
			file, self := filepath.Join(home, ".ssh", "config"), filepath.Join(home, "bin", "banger")
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("User other\nForwardAgent yes\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := sshkeys.InstallConfig(dirs, file, sshConfig(self, dirs.ClientKey(), dirs)); err != nil {
				t.Fatal(err)
			}
			reads := func(args ...string) []string {
				out, err := exec.CommandContext(t.Context(), ssh, append([]string{"-F", file, "-G"}, args...)...).CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v", out, err)
				}
				return strings.Split(string(out), "\n")
			}
			got := reads("web.vm")
			for _, want := range []string{
				"user root", "hostname web.vm", "identitiesonly yes", "stricthostkeychecking true", "forwardagent no",
				"globalknownhostsfile /dev/null", "userknownhostsfile " + dirs.KnownHosts(),
				"identityfile " + strings.ReplaceAll(dirs.ClientKey(), "%", "%%"),
				"proxycommand " + shellQuoted(self) + " vm proxy -- '%h'",
			} {
				if !slices.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, strings.Join(got, "\n"))
				}
			}
			if got := reads("-A", "web.vm"); !slices.Contains(got, "forwardagent yes") {
				t.Error("-A does not forward the agent")
			}
			other := reads("web.vm.example.org")
			if !slices.Contains(other, "user other") || !slices.Contains(other, "forwardagent yes") || slices.Contains(other, "identitiesonly yes") {
				t.Errorf("another host: %s", strings.Join(other, "\n"))
			}
		})
	}
}
