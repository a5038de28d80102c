//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
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
	fixture := name
	if name != "kernel" {
		fixture = name + ".tar"
	}
	path, err := t.suite.fixtures.Path(ctx, fixture)
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
	dir, err := storedAs(filepath.Join(base, stateBelowHome), name)
	if err != nil {
		return "", err
	}
	t.ready[name] = dir
	return dir, nil
}

func storedAs(state, name string) (string, error) {
	if name == "kernel" {
		return filepath.Join(state, "kernels", "debian-12"), nil
	}
	manifests, err := filepath.Glob(filepath.Join(state, "images", "*", "manifest.json"))
	if err != nil {
		return "", err
	}
	for _, path := range manifests {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		var manifest struct {
			Names []struct {
				Name string `json:"name"`
			} `json:"names"`
		}
		if err := json.Unmarshal(data, &manifest); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		for _, n := range manifest.Names {
			if n.Name == name {
				return filepath.Dir(path), nil
			}
		}
	}
	return "", fmt.Errorf("image %s is not below %s", name, state)
}

// buildNext builds the binaries once more, with a later stamp, into next/.
func (t *template) buildNext(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next {
		return nil
	}
	next := filepath.Join(t.suite.dir, "next")
	err := tool(ctx, "make", "-C", t.suite.repo, "--no-print-directory", "build", "BIN="+next+"/bin",
		"VERSION=v999.0.0-next", "BUILT=2099-01-01T00:00:00Z")
	t.next = err == nil
	return err
}
