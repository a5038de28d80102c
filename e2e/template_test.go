//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/bangervm/banger/e2e/fixture"
)

// template is a home in which the kernel and the images were put by banger
// itself, once for all scripts. A script gets copies of what it asks for.
type template struct {
	suite *suite
	mu    sync.Mutex
	ready map[string]string // fixture → its directory below the state directory
	acct  *account
	next  bool
}

const stateBelowHome = "home/.local/state/banger"

// provide puts what the script's directives ask for into its home.
func (s *suite) provide(ctx context.Context, acct *account, base string, d directives) error {
	for _, name := range d.files {
		if _, err := s.fixtures.Path(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range d.fixtures {
		from, err := s.template.get(ctx, name)
		if err != nil {
			return err
		}
		to := filepath.Join(base, stateBelowHome, filepath.Base(filepath.Dir(from)))
		if err := tool(ctx, "mkdir", "-p", to); err != nil {
			return err
		}
		if err := tool(ctx, "cp", "-a", "--reflink=auto", "--sparse=always", from, to+"/"); err != nil {
			return err
		}
	}
	owner := strconv.Itoa(acct.uid) + ":" + strconv.Itoa(acct.gid)
	if err := tool(ctx, "chown", "-R", owner, filepath.Join(base, "home")); err != nil {
		return err
	}
	if d.next {
		return s.template.buildNext(ctx)
	}
	return nil
}

// get returns the directory of a kernel or an image that banger has stored.
func (t *template) get(ctx context.Context, name string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if dir, ok := t.ready[name]; ok {
		return dir, nil
	}
	if dir, ok := t.suite.ofKit(name); ok {
		return dir, nil
	}
	base := filepath.Join(t.suite.dir, "template")
	if t.acct == nil {
		acct, err := t.suite.accounts.lease(ctx)
		if err != nil {
			return "", err
		}
		if err := acct.makeBase(base); err != nil {
			return "", err
		}
		t.acct, t.ready = acct, map[string]string{}
	}
	file := name
	if name != "kernel" {
		file = name + ".tar"
	}
	path, err := t.suite.fixtures.Path(ctx, file)
	if err != nil {
		return "", err
	}
	banger := filepath.Join(t.suite.dir, "bin/banger")
	argv := []string{banger, "image", "pull", "tar:" + path, "--name", name}
	if name == "kernel" {
		argv = []string{banger, "kernel", "import", "debian-12", "--from", path}
	}
	for _, argv := range [][]string{argv, {banger, "daemon", "stop"}} {
		if out, err := t.acct.command(ctx, base, argv...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w: %s", argv, err, out)
		}
	}
	dir, err := fixture.StoredAs(filepath.Join(base, stateBelowHome), name)
	if err != nil {
		return "", err
	}
	t.ready[name] = dir
	return dir, nil
}

// buildNext builds the binaries once more, with a later stamp, into next/.
func (t *template) buildNext(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next {
		return nil
	}
	to := filepath.Join(t.suite.dir, "next/bin")
	var err error
	if t.suite.kit {
		if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
			err = tool(ctx, "cp", "-a", filepath.Join(t.suite.repo, "next/bin"), to)
		}
	} else {
		err = fixture.BuildNext(ctx, t.suite.repo, to)
	}
	t.next = err == nil
	return err
}
