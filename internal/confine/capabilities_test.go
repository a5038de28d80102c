package confine_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
)

func TestAJailKeeperHasOnlyTheCapabilitiesThatItNeeds(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has capabilities to give up")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args, err := confine.Plan{Capabilities: confine.JailKeeper(), Env: []string{"PATH=/usr/bin:/bin"}}.Arguments("/bin/cat", []string{"/proc/self/status"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), self, append([]string{"confine"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var kept uint64
	for _, c := range confine.JailKeeper() {
		kept |= 1 << c
	}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch name {
		case "CapEff", "CapPrm", "CapBnd":
			has, err := strconv.ParseUint(value, 16, 64)
			if err != nil || has&^kept != 0 || has&(1<<unix.CAP_SYS_ADMIN) == 0 {
				t.Errorf("%s is %s, %v; want none but %x", name, value, err, kept)
			}
		case "NoNewPrivs":
			if value != "1" {
				t.Error("it can gain privileges")
			}
		}
	}
	if !strings.Contains(string(out), "CapBnd:") {
		t.Errorf("no capabilities in %s", out)
	}
}
