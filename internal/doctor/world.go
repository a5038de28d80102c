package doctor

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/cgroup"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/hostdns"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// Settings are the parts of the configuration that the checks look at.
type Settings struct {
	Drivers      drivers.Config
	Agent        string // path of banger-vsock-agent; empty: beside the executable
	DefaultImage string // what `vm create` without --image uses; empty: none
	MemoryBytes  int64  // what a VM gets that names none
	Catalogs     []catalog.Source
	Presets      []string // of coding agents' files, which each VM gets
}

// World is the host as the checks see it. Every function only reads.
type World struct {
	Dirs     statedir.Dirs
	Socket   string // of the daemon
	Settings Settings

	// Root is the host's file system; names in it have no leading slash.
	Root fs.FS
	// LookPath finds a program; it also looks where ordinary users' PATH does not.
	LookPath func(name string) (string, error)
	// Output runs a program that only prints, within its own deadline.
	Output func(ctx context.Context, name string, args ...string) (string, error)
	// Look says what each driver finds of this host, in the order in which
	// drivers.Auto tries them.
	Look lookFunc
	// CanWrite returns nil if files can be made in a directory.
	CanWrite func(dir string) error
	// Kernels are the local kernels, also damaged ones.
	Kernels func(ctx context.Context) ([]kernel.Manifest, error)
	// Confinement asks the kernel what it offers, and starts a program for an instant.
	Confinement func(ctx context.Context) Confinement
	// Space returns the bytes of the file system at path that this user may still
	// write. The path exists.
	Space func(path string) (free int64, err error)
	// Reach reports whether host (HOST:PORT) takes a TCP connection.
	Reach func(ctx context.Context, host string) error
	// Daemon asks the daemon at Socket what it says of itself. It returns an error
	// that matches fs.ErrNotExist or ECONNREFUSED when none runs. Nil: do not ask.
	Daemon func(ctx context.Context) (Daemon, error)
	// Resolves reports whether the host's resolver gives addr for a name of a VM.
	// It does not ask resolvers on other hosts.
	Resolves func(ctx context.Context, name string, addr netip.Addr) bool

	Now func() time.Time

	Executable string // of this process
	Home       string // the user's, absolute; empty: not known
	User       string // login name, or the uid
	UID        int
	Groups     []int // of this process
}

// Daemon is what the daemon says of itself.
type Daemon struct {
	Version string
	// Names is where it answers DNS for .vm, ADDRESS:PORT; empty: it does not, and
	// NamesProblem says why if it should.
	Names, NamesProblem string
}

// Host returns the real host of this process. drivers look at it through vmms.
func Host(dirs statedir.Dirs, socket string, vmms *vmm.Host, settings Settings) World {
	executable, err := os.Executable()
	if err != nil {
		executable = ""
	}
	if resolved, err := filepath.EvalSymlinks(executable); err == nil {
		executable = resolved
	}
	home, _ := os.UserHomeDir()
	groups, _ := os.Getgroups() // without them, the own one is left
	return World{
		Dirs: dirs, Socket: socket, Settings: settings,
		Root: root{os.DirFS("/")}, LookPath: LookPath, Output: output,
		Look:        func(ctx context.Context, cfg drivers.Config) []vmm.Finding { return drivers.Look(ctx, vmms, cfg) },
		Kernels:     kernelstore.New(dirs, slog.New(slog.DiscardHandler)).List,
		Confinement: confinement, CanWrite: canWrite, Space: space, Reach: reach, Resolves: hostdns.NewHost().Resolves,
		Now: time.Now, Home: home, Executable: executable, User: vmms.User, UID: os.Getuid(), Groups: append(groups, os.Getegid()),
	}
}

// root is the host's file system, of which only regular files are opened: another user may
// have put a pipe in a file's place, and the doctor must not wait for what comes of it.
type root struct{ fs.FS }

func (root) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, _, err := regularfile.Open("/" + name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (r root) Stat(name string) (fs.FileInfo, error)      { return fs.Stat(r.FS, name) }
func (r root) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(r.FS, name) }

func confinement(ctx context.Context) Confinement {
	c := Confinement{LandlockABI: confine.LandlockABI(), Namespaces: confine.HasNamespaces(ctx)}
	c.Mounts = c.Namespaces && confine.TryCapableNamespaces(ctx) == nil
	c.Controllers, c.NoGroup = cgroup.Delegated(os.Getuid())
	return c
}

// LookPath finds an executable as exec.LookPath does, and then in the
// directories of system programs, which ordinary users often lack in PATH.
func LookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil || strings.Contains(name, "/") {
		return path, err
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	return string(out), err
}

func canWrite(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

func space(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func reach(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	return conn.Close()
}

// stat is fs.Stat for an absolute path.
func (w World) stat(path string) (fs.FileInfo, error) {
	info, err := fs.Stat(w.Root, rooted(path))
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		err = &fs.PathError{Op: bad.Op, Path: path, Err: bad.Err} // Root's names have no slash
	}
	return info, err
}

// readHead reads at most limit bytes of a file at an absolute path.
func (w World) readHead(path string, limit int) ([]byte, error) {
	f, err := w.Root.Open(rooted(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, limit)
	n := 0
	for n < limit {
		m, err := f.Read(buf[n:])
		n += m
		if err != nil {
			break
		}
	}
	return buf[:n], nil
}

func rooted(path string) string {
	path = strings.TrimPrefix(filepath.Clean(path), "/")
	if path == "" {
		return "."
	}
	return path
}

// existing returns path, or the nearest directory above it that exists.
func (w World) existing(path string) string {
	for path != "/" && path != "." {
		if _, err := w.stat(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}
