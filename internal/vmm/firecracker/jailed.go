package firecracker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/cgroup"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/stream"
	"github.com/bangervm/banger/internal/tap"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/firecracker/jail"
	"github.com/bangervm/banger/internal/vmm/process"
)

// jailed is a machine's jail, and the way of its agent channel out of it: the sockets
// in it belong to the jail's user, and no client of banger's trusts another than ours.
type jailed struct {
	jail.Jail
	spec      vmm.Spec // with the paths of this host
	root      *os.File // the chroot
	listeners []net.Listener
	work      sync.WaitGroup
	stop      context.CancelFunc
	groups    []string // the controllers of its control group
}

// jailName is the jail in the run directory; logName and metricsName are Firecracker's log
// and metrics in the jail.
const (
	jailName    = "jail"
	logName     = "log"
	metricsName = "metrics"
)

// furnish makes the jail, and returns the machine as it is in there.
func furnish(spec vmm.Spec, site vmm.Site) (*jailed, vmm.Spec, error) {
	jailer, err := jail.Jailer(spec.Program)
	if err != nil {
		return nil, spec, err
	}
	j := &jailed{
		Jail: jail.Jail{Dir: filepath.Join(site.Dir, jailName), Jailer: jailer, Firecracker: spec.Program, UID: spec.JailUID},
		spec: spec,
	}
	inside, err := j.Furnish(spec)
	if err == nil {
		j.root, err = os.Open(j.Root())
	}
	for _, name := range []string{logName, metricsName} {
		if err == nil {
			err = errors.Join(unix.Mkfifo(filepath.Join(j.Root(), name), 0o600), os.Lchown(filepath.Join(j.Root(), name), j.UID, j.UID))
		}
	}
	if err != nil {
		return nil, spec, errors.Join(err, j.clear())
	}
	return j, inside, nil
}

// socket is the path of a socket in the chroot, which is short: a socket's path has at
// most 107 bytes.
func (j *jailed) socket(name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", j.root.Fd(), name)
}

// outside are disks of the jail as this host sees them.
func (j *jailed) outside(disks []vmm.Disk) []vmm.Disk {
	var seen []vmm.Disk
	for _, disk := range disks {
		disk.Path = filepath.Join(j.Root(), disk.Path)
		seen = append(seen, disk)
	}
	return seen
}

// openPipe opens both ends of a pipe in the jail, so that it has no end before theirs is
// closed and Firecracker has ended.
func (j *jailed) openPipe(name string) func() (ours, theirs *os.File, err error) {
	return func() (ours, theirs *os.File, err error) { return openBoth(filepath.Join(j.Root(), name)) }
}

func openBoth(path string) (ours, theirs *os.File, err error) {
	if ours, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, nil, err
	}
	if theirs, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, nil, errors.Join(err, ours.Close())
	}
	return ours, theirs, nil
}

// relay serves the agent channel in dir, and the sockets for the guest's connections
// in the jail. The end of ctx does not matter.
func (j *jailed) relay(ctx context.Context, dir string) error {
	ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	out, err := statedir.ListenUnix(filepath.Join(dir, vmm.VsockSocket))
	if err != nil {
		return fmt.Errorf("listen on the agent channel's socket: %w", err)
	}
	j.serve(ctx, out, j.socket(vmm.VsockSocket))
	names, err := filepath.Glob(filepath.Join(dir, vmm.VsockSocket+"_*"))
	for _, name := range names {
		path := filepath.Join(j.Root(), filepath.Base(name))
		in, listenErr := net.Listen("unix", j.socket(filepath.Base(name))) //nolint:noctx // at once
		if listenErr != nil {
			return listenErr
		}
		j.serve(ctx, in, name)
		err = errors.Join(err, os.Lchown(path, j.UID, j.UID), os.Chmod(path, 0o600))
	}
	return err
}

const (
	// dialLimit bounds a connection to the other side of the jail's wall.
	dialLimit = 5 * time.Second
	// maxRelayed bounds the connections of one socket, as Firecracker does.
	maxRelayed = 1023
)

func (j *jailed) serve(ctx context.Context, from net.Listener, to string) {
	j.listeners = append(j.listeners, from)
	turns := make(chan struct{}, maxRelayed)
	j.work.Go(func() {
		for {
			turns <- struct{}{}
			conn, err := from.Accept()
			if err != nil {
				return
			}
			j.work.Go(func() {
				defer func() { <-turns }()
				pass(ctx, conn, to)
			})
		}
	})
}

// dial connects to a socket in the jail, which nobody but root and its user reaches.
func (j *jailed) dial(ctx context.Context, name string) (net.Conn, error) {
	return dial(ctx, j.socket(name))
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "unix", path)
}

// pass joins a connection to the socket at to. A failure ends both sides, which tells
// them enough.
func pass(ctx context.Context, conn net.Conn, to string) {
	other, err := dial(ctx, to)
	if err != nil {
		_ = conn.Close()
		return
	}
	_ = stream.Join(ctx, conn, other)
}

// clear ends the relay and removes the jail, after the end of its processes.
func (j *jailed) clear() error {
	if j.stop != nil {
		j.stop()
	}
	for _, l := range j.listeners {
		_ = l.Close()
	}
	j.work.Wait()
	if j.root != nil {
		_ = j.root.Close()
	}
	return errors.Join(j.Clear(j.spec), clearGroup(cgroup.Mount, j.UID))
}

// program is c by the jailer, which limits it by itself.
func (j *jailed) program(c process.Command, inside vmm.Spec) process.Command {
	limits := jail.Limits{Files: maxFiles, FileBytes: leastFile}
	for _, disk := range j.outside(inside.Disks) {
		if info, err := os.Stat(disk.Path); err == nil && !disk.ReadOnly {
			limits.FileBytes = max(limits.FileBytes, info.Size())
		}
	}
	limits, j.groups = jailGroup(cgroup.Mount, j.spec, limits)
	c.Program, c.Args = j.Jailer, j.Arguments(limits, append(c.Args, "--log-path", logName)...)
	c.Plan = confine.Plan{JailedAs: j.UID, Env: []string{"PATH=/usr/bin:/bin"}}
	if inside.NIC != nil {
		c.Plan.TAP = &tap.Device{Name: tapName, MTU: inside.NIC.MTU}
	}
	return c
}
