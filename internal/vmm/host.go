package vmm

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/confine"
)

// Host is a host as drivers look at it. Every function only reads.
type Host struct {
	Arch string // as GOARCH
	User string // login name, or the uid, for remedies
	Root bool   // this user is root
	// LookPath finds an executable by its path or name.
	LookPath func(name string) (string, error)
	// Version is what a program answers to --version; see also QuickVersion.
	Version func(ctx context.Context, path string) (string, error)
	// OpenRW reports whether a device opens for reading and writing. KVM's also has to answer
	// as KVM does, else the error is errNotKVM.
	OpenRW func(path string) error
	// ReadHead reads at most limit bytes of a file.
	ReadHead func(path string, limit int64) ([]byte, error)
	// Namespaces returns nil if this user gets user and network namespaces, and
	// capabilities in them. It starts a program for an instant.
	Namespaces func(ctx context.Context) error
}

// ThisHost is the host of this process. It remembers the versions of programs,
// and which do not answer, as long as they are the same files.
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
