//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"

	"github.com/bangervm/banger/e2e/fixture"
)

// envKit is the directory of a kit, for a machine without Go, where nothing can
// be built: see e2e/kvm. It is laid out as the repository is, with all that the
// suite would build in it, and kernels and images as banger stores them.
const envKit = "BANGER_E2E_KIT"

// What is in a kit besides bin/ and the scripts.
const (
	kitProbe = "bin/probe"
	kitNext  = "next/bin"
	kitState = "state"
)

// repository is the checkout that is tested, or the kit of one.
func repository() (repo string, kit bool, err error) {
	if dir := os.Getenv(envKit); dir != "" {
		return dir, true, nil
	}
	repo, err = filepath.Abs("..")
	return repo, false, err
}

// installProbe puts what scripts run inside guests at lib/probe.
func (s *suite) installProbe(ctx context.Context) error {
	to := filepath.Join(s.dir, "lib/probe")
	if s.kit {
		return copyFile(filepath.Join(s.repo, kitProbe), to, 0o755)
	}
	return fixture.BuildProgram(ctx, s.repo, "./e2e/probe", to)
}

// ofKit is the directory of a fixture that a kit has as banger stores it.
func (s *suite) ofKit(name string) (dir string, ok bool) {
	if !s.kit {
		return "", false
	}
	dir, err := fixture.StoredAs(filepath.Join(s.repo, kitState), name)
	if err == nil {
		_, err = os.Stat(dir)
	}
	return dir, err == nil
}
