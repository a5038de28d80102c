package firecracker

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/confine"
)

// The monitor, which looks at the threads, has no more of the host than Needs says.
func TestAConfinedMonitorSeesTheVirtualCPUs(t *testing.T) {
	if confine.LandlockABI() == 0 {
		t.Skip("this kernel has no Landlock")
	}
	stop := make(chan struct{})
	named := make(chan struct{})
	go func() {
		nameThread()
		close(named)
		<-stop
	}()
	<-named
	defer close(stop)
	for may, read := range map[bool][]string{true: New().Needs(self(t)).Read, false: confine.ProgramFiles(self(t), "")} {
		args, err := confine.Plan{Read: read}.Arguments(self(t), []string{"read-cpus"})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), self(t), append([]string{"confine"}, args...)...).Output()
		if got := strings.TrimSpace(string(out)); err != nil || (got == "<nil>") != may {
			t.Errorf("it may: %v, and says %q, %v", may, got, err)
		}
	}
}

func TestCPUsOfAProcessThatIsNoMachine(t *testing.T) {
	if _, err := readCPUs(os.Getppid()); err == nil {
		t.Error("a process without virtual CPUs has some")
	}
	if _, err := readCPUs(1 << 30); err == nil {
		t.Error("a process that does not exist has some")
	}
}
