//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// fixtures are what a run needs from outside: a kernel package and root
// filesystems. They are made once and kept in a cache; each appears there
// complete (staging, then rename) or not at all.
type fixtures struct {
	dir string // readable by every account
	mu  sync.Mutex
}

// recipes say how each fixture is made, into a path that does not exist yet. A
// new suffix on a name makes it anew.
func recipes() map[string]func(ctx context.Context, path string) error {
	debian := func(packages ...string) func(context.Context, string) error {
		return func(ctx context.Context, path string) error { return makeDebian(ctx, path, packages) }
	}
	return map[string]func(ctx context.Context, path string) error{
		"kernel":       makeKernel,
		"debian.tar":   debian("rsync"),
		"systemd.tar":  debian("systemd-sysv", "dbus"),
		"sysvinit.tar": debian("sysvinit-core"),
		"busybox.tar":  makeBusybox,
		"alpine.tar":   makeAlpineLike,
	}
}

func newFixtures(ctx context.Context) (*fixtures, error) {
	dir := os.Getenv("BANGER_E2E_CACHE")
	switch {
	case dir != "":
	case os.Geteuid() == 0:
		dir = "/var/cache/banger-e2e" // root's own cache is closed to the accounts
	default:
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(cache, "banger-e2e")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &fixtures{dir: dir}, nil
}

// path returns the fixture called name, making it if need be.
func (f *fixtures) path(ctx context.Context, name string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := filepath.Join(f.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	recipe, ok := recipes()[name]
	if !ok {
		return "", fmt.Errorf("no recipe for fixture %q", name)
	}
	staging := fmt.Sprintf("%s.%d.staging", path, os.Getpid())
	defer func() { _ = os.RemoveAll(staging) }()
	if err := recipe(ctx, staging); err != nil {
		return "", fmt.Errorf("make fixture %s: %w", name, err)
	}
	if err := os.Rename(staging, path); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return path, nil
}

func output(ctx context.Context, dir string, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, stderr.Bytes())
	}
	return out, nil
}

// makeKernel unpacks the package that linux-image-cloud-amd64 depends on.
func makeKernel(ctx context.Context, path string) error {
	out, err := output(ctx, "", "apt-cache", "depends", "--important", "linux-image-cloud-amd64")
	if err != nil {
		return err
	}
	var pkg string
	for field := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(field, "linux-image-") && field != "linux-image-cloud-amd64" {
			pkg = field
			break
		}
	}
	if pkg == "" {
		return fmt.Errorf("linux-image-cloud-amd64 depends on no kernel package: %s", out)
	}
	tmp, err := os.MkdirTemp("", "bge2e-kernel-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if _, err := output(ctx, tmp, "apt-get", "-q", "-o", "APT::Sandbox::User=", "download", pkg); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get download %s left %v: %w", pkg, debs, err)
	}
	if _, err := output(ctx, "", "dpkg-deb", "-x", debs[0], path); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// makeDebian makes a minimal Debian root filesystem, as a tar.
func makeDebian(ctx context.Context, path string, packages []string) error {
	argv := []string{
		"mmdebstrap", "--quiet", "--variant=minbase", "--include=" + strings.Join(packages, ","),
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "bookworm", path + ".tar",
	}
	if _, err := output(ctx, "", argv...); err != nil {
		return err
	}
	return os.Rename(path+".tar", path)
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode)
}

var copying sync.Mutex

// copyOnce copies the program from to to, unless it is there.
func copyOnce(from, to string) error {
	copying.Lock()
	defer copying.Unlock()
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	return copyFile(from, to, 0o755)
}
