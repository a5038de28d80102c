//go:build e2e

// Package e2e drives the real binaries, as an ordinary user with a fresh HOME,
// and boots real VMs. Each script in testdata/script runs in a process of its
// own under its own account; after it, a check proves that nothing is left.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bangervm/banger/e2e/fixture"
)

// suite is what all scripts of one run share. Its directories are removed at
// the end.
type suite struct {
	dir      string // short, 0755: everything of this run
	repo     string
	kit      bool // repo is a kit of it: see envKit
	accounts *accounts
	fixtures *fixture.Cache
	template *template
}

var theSuite *suite

func TestMain(m *testing.M) {
	if dir := os.Getenv(envInternet); dir != "" {
		serveInternet(dir)
	}
	if os.Getenv(envScript) != "" { // re-executed as the script's user
		os.Exit(m.Run())
	}
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("/tmp", "bge2e-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	repo, kit, err := repository()
	if err != nil {
		return 1, err
	}
	s := &suite{dir: dir, repo: repo, kit: kit, accounts: &accounts{}}
	defer s.accounts.close(context.WithoutCancel(ctx))
	if s.fixtures, err = fixture.Open(); err != nil {
		return 1, err
	}
	if err := s.installBinaries(); err != nil {
		return 1, err
	}
	if err := s.installProbe(ctx); err != nil {
		return 1, err
	}
	s.template = &template{suite: s}
	theSuite = s
	if s.kit {
		if err := s.measure(ctx); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// installBinaries copies bin/ to where every account can run it, laid out as
// `make install` does.
func (s *suite) installBinaries() error {
	for name, to := range map[string]string{
		"banger": "bin/banger", "bangerd": "bin/bangerd", "banger-vsock-agent": "lib/banger/banger-vsock-agent",
	} {
		data, err := os.ReadFile(filepath.Join(s.repo, "bin", name))
		if err != nil {
			return fmt.Errorf("%w (run `make build` first)", err)
		}
		if err := writeExecutable(filepath.Join(s.dir, to), data); err != nil {
			return err
		}
	}
	return nil
}

func writeExecutable(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o755)
}

// missing skips a test that this machine cannot run, saying why; where
// everything is expected to be there, it fails it.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatalf("cannot run here: "+format, args...)
	}
	t.Skipf("cannot run here: "+format, args...)
}
