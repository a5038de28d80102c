package vmm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/confine"
)

// Host is a host as drivers look at it. Every function only reads.
type Host struct {
	Arch string // as GOARCH
	User string // login name, or the uid, for remedies
	Root bool   // this user is root
	// LookPath finds an executable by its path or name.
	LookPath func(name string) (string, error)
	// Version is what a program answers to --version.
	Version func(ctx context.Context, path string) (string, error)
	// OpenRW reports whether a file opens for reading and writing.
	OpenRW func(path string) error
	// ReadHead reads at most limit bytes of a file.
	ReadHead func(path string, limit int64) ([]byte, error)
	// Namespaces returns nil if this user gets user and network namespaces, and
	// capabilities in them. It starts a program for an instant.
	Namespaces func(ctx context.Context) error
}

// ThisHost is the host of this process. It remembers the versions of programs
// as long as they are the same files.
func ThisHost() *Host {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return &Host{
		Arch: runtime.GOARCH, User: name, Root: os.Getuid() == 0,
		LookPath: lookPath, Version: (&versions{ask: askVersion}).of, OpenRW: openRW, ReadHead: readHead,
		Namespaces: confine.TryCapableNamespaces,
	}
}

// lookPath also looks where distributions put a VMM and a user's PATH may not lead.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	if strings.Contains(name, "/") {
		return "", err
	}
	for _, dir := range []string{"/usr/bin", "/usr/local/bin", "/usr/libexec"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// versionLimit bounds a program's answer to --version: QEMU loads a hundred
// libraries for it, from a slow disk or on a busy host.
const versionLimit = 20 * time.Second

func askVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	var said head
	cmd.Stdout = &said
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no answer to --version: %w", ctx.Err())
	}
	return string(said), err
}

// head keeps the first bytes written to it.
type head []byte

// maxVersion bounds what is kept of a program's answer, in bytes.
const maxVersion = 4 << 10

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), maxVersion-len(*h))]...)
	return len(p), nil
}

// versions remembers what programs answered: every start of a VM asks.
type versions struct {
	ask func(ctx context.Context, path string) (string, error)

	mu    sync.Mutex
	known map[string]version // by path
}

type version struct {
	size    int64
	changed time.Time
	answer  string
}

// maxVersions bounds the memory; the paths come from configurations.
const maxVersions = 16

func (v *versions) of(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	now := version{size: info.Size(), changed: info.ModTime()}
	if answer, ok := v.remembered(path, now); ok {
		return answer, nil
	}
	if now.answer, err = v.ask(ctx, path); err != nil {
		return now.answer, err
	}
	v.remember(path, now)
	return now.answer, nil
}

func (v *versions) remembered(path string, now version) (string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.known[path]
	return k.answer, ok && k.size == now.size && k.changed.Equal(now.changed)
}

func (v *versions) remember(path string, now version) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil || len(v.known) >= maxVersions {
		v.known = map[string]version{}
	}
	v.known[path] = now
}

func openRW(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}
