package firecracker

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/vmm"
)

func TestTheJailerNeedsRootAndAStaticFirecracker(t *testing.T) {
	for _, c := range []struct {
		name           string
		root           bool
		jailer         error
		head           string
		reason, remedy string
	}{
		{"good", true, nil, "\x7fELF", "runs by /opt/jailer", ""},
		{"an ordinary user", false, nil, "\x7fELF", "needs root, and bangerd runs as ann", "jailer = false"},
		{"no jailer", true, errors.New("none"), "\x7fELF", "no jailer beside /opt/firecracker", "same version"},
		{"dynamic", true, nil, "\x7fELF…/lib64/ld-linux-x86-64.so.2", "dynamically linked", "static"},
	} {
		host := &vmm.Host{
			User: "ann", Root: c.root,
			LookPath: func(name string) (string, error) { return name, c.jailer },
			ReadHead: func(string, int64) ([]byte, error) { return []byte(c.head), nil },
		}
		got := lookAtJailer(host, "/opt/firecracker")
		good := c.remedy == ""
		if got.About != vmm.AboutJail || (got.State == vmm.Good) != good || !strings.Contains(got.Reason, c.reason) || !strings.Contains(got.Remedy, c.remedy) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
